//! Jinja as `transformers` sets it up, for templates that come from others: they have a budget of time and memory, and cannot exhaust the stack.

mod date;
mod environment;
mod json;
mod nesting;
mod python;
mod syntax;

pub use date::TODAY;
pub use environment::{BUDGET, environment};
pub use syntax::prepared;
