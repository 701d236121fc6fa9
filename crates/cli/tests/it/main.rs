//! The program from the outside: real commands on the real engine, in one binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod asked;
mod bad_input;
mod browser;
mod chat;
mod commands;
mod daily;
mod damage;
mod docs;
mod external_trainer;
#[cfg(unix)]
mod interrupted;
#[cfg(unix)]
mod kills;
mod launched;
mod model;
#[cfg(unix)]
mod outside;
mod own_data;
mod page;
mod paper;
mod plan;
mod pretraining;
mod pretraining_text;
mod program;
#[cfg(unix)]
mod programs;
mod schemas;
mod serve;
mod smoke;
mod trl;
mod views;
