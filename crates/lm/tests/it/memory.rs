//! The memory that is announced is the memory that is used.

use crate::fixture::{self, FIXTURES};
use starloop_lm::decoder::{Packed, TrainingMemory};
use starloop_lm::kernels::Cpu;
use starloop_lm::memory::{Job, needs};
use starloop_lm::train::Document;

#[test]
fn a_training_pass_holds_what_was_announced() {
    for name in FIXTURES {
        let model = fixture::model(name);
        // Every token but the first of each document carries loss.
        let documents: Vec<Document> = (0..8).map(|i| Document::whole((0..50).map(|j| (i * 7 + j) % 60).collect())).collect();
        for recompute in [false, true] {
            let mut memory = TrainingMemory::new(&Cpu);
            memory = if recompute { memory.with_recomputation() } else { memory };
            let mut gradients = model.decoder.zero_gradients();
            model.decoder.losses_and_gradients(&Packed::new(&documents), 1.0, &mut memory, &mut gradients);
            let announced = needs(model.spec(), Job::Training { tokens: 400, recompute }, 4);
            let (held, said) = (memory.bytes(&Cpu) as f64, announced.activations as f64);
            assert!((said / held - 1.0).abs() < 0.02, "{name}, recompute {recompute}: {held} held, {said} announced");
            let parameters = model.spec().parameter_count();
            assert_eq!(announced.optimizer, 12 * parameters);
        }
    }
}
