#![doc = "front page"]
mod completion;
pub mod find;
mod marks;
pub mod number;
mod phrase;
mod reading;

pub use marks::Mark;
pub use reading::{Ending, Found, Outcome, Place, Reading};
