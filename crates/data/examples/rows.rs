//! Counts the rows of files and lists their columns: `cargo run -p starloop-data --features parquet --example rows -- FILE...`.
#![allow(clippy::print_stdout, reason = "its output is the result")]

use starloop_data::{Result, Rows};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn main() -> Result<()> {
    let (mut count, mut columns) = (0_u64, BTreeSet::new());
    for row in Rows::open_all(std::env::args_os().skip(1).map(PathBuf::from))? {
        let row = row?;
        count += 1;
        columns.extend(row.columns.into_iter().map(|(name, _)| name).filter(|name| !columns.contains(name)).collect::<Vec<_>>());
    }
    println!("{count} rows; columns: {}", columns.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}
