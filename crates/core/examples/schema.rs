//! Prints the JSON schema of a config: `cargo run -p starloop-core --features schema --example schema >crates/core/src/registry/schema.json`.
#![allow(clippy::print_stdout, reason = "its output is the schema")]

fn main() {
    println!("{:#}", starloop_core::registry::schema::schema());
}
