//! The commands, one file each. A command reads its arguments, calls the libraries and prints data.

pub mod bench;
pub mod chat;
pub mod compare;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod get;
pub mod init;
pub mod inspect;
pub mod man;
pub mod model;
pub mod plan;
pub mod pretrain;
pub mod prompt;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod sample;
pub mod schema;
pub mod score;
pub mod serve;
pub mod train;
pub mod verify;
pub mod watch;
