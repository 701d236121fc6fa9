//! The modules of this crate import each other in one direction.
#![allow(clippy::unwrap_used)]

#[path = "../../lm/tests/it/modules.rs"]
mod modules;
