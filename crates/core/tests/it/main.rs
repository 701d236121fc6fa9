//! The loop from the outside: one binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod agreement;
mod audit;
mod chain;
mod completions;
mod config;
mod doubles;
mod embedded;
mod family;
mod fetch;
mod held_out;
mod load;
mod messages;
#[path = "../../../lm/tests/it/modules.rs"]
mod modules;
mod objectives;
mod paper_tasks;
mod record;
mod reload;
mod resume;
mod run;
mod schema;
mod selection;
mod server;
mod serving;
mod shipped;
