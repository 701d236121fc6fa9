//! Jinja as `transformers` sets it up, for templates that come from others: they have a budget of time and memory, and cannot exhaust the stack.

mod arguments;
mod cases;
mod conversions;
mod date;
mod environment;
mod expressions;
mod json;
mod lexemes;
mod lists;
mod literals;
mod nesting;
mod numbers;
mod operands;
mod operators;
mod printf;
mod python;
mod reader;
mod repr;
mod syntax;
mod tags;
mod tests;

pub use date::TODAY;
pub use environment::{BUDGET, environment};
pub use syntax::prepared;
