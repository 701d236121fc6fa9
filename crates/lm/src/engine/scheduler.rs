//! Decides which tokens run in which step. Works on ids and pages, without tensors and without text.

use super::pages::PagePool;
use super::{EngineLimits, Request};
use crate::decoder::StepRows;
use std::collections::VecDeque;
use std::sync::Arc;

/// A sequence that was admitted and has pages.
#[derive(Debug)]
struct Running {
    number: u64,
    tokens: Vec<u32>,
    /// Positions whose keys and values are in the cache, or are shared with an earlier sequence.
    computed: usize,
    /// True if the whole prompt is in the cache.
    is_sampled: bool,
    pages: Vec<u32>,
}

/// One step: rows for the decoder, and the numbers of the sequences whose next token is sampled, in the order of the logits.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) rows: StepRows,
    pub(super) sampled: Vec<u64>,
}

/// Admits sequences in order when pages become free, and fills each step up to its limit.
#[derive(Debug)]
pub(super) struct Scheduler {
    /// Numbers of the sequences, and what they complete.
    waiting: VecDeque<(u64, Arc<Request>)>,
    /// In order of admission. A sequence follows those whose pages it shares.
    running: Vec<Running>,
    pool: PagePool,
    limits: EngineLimits,
}

impl Scheduler {
    pub(super) fn new(pool: PagePool, limits: &EngineLimits) -> Self {
        Scheduler { waiting: VecDeque::new(), running: Vec::new(), pool, limits: *limits }
    }

    /// Adds a sequence. The pool must be large enough for it alone.
    pub(super) fn add(&mut self, number: u64, request: Arc<Request>) {
        self.waiting.push_back((number, request));
    }

    /// Sequences that are not admitted.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next step, or `None` when every sequence is finished.
    ///
    /// Sequences get rows in order of admission, each as many as remain of its prompt. So a sequence that shares pages gets rows in the step
    /// that fills those pages or later.
    pub(super) fn plan(&mut self) -> Option<Step> {
        self.admit();
        let mut step = Step::default();
        let mut room = self.limits.step_rows.max(1);
        for sequence in &mut self.running {
            if room == 0 {
                break;
            }
            let count = room.min(sequence.tokens.len() - sequence.computed);
            room -= count;
            sequence.push_rows(count, &mut step);
        }
        (!step.rows.tokens.is_empty()).then_some(step)
    }

    fn admit(&mut self) {
        while self.running.len() < self.limits.sequences.max(1) {
            let Some((number, request)) = self.waiting.front() else { return };
            let total = request.prompt.len() + request.params.max_new_tokens;
            let Some((pages, computed)) = self.pool.allocate(&request.prompt, total) else { return };
            self.running.push(Running { number: *number, tokens: request.prompt.clone(), computed, is_sampled: false, pages });
            self.waiting.pop_front();
        }
    }

    /// Appends a sampled token.
    pub(super) fn extend(&mut self, number: u64, token: u32) {
        if let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.number == number) {
            sequence.tokens.push(token);
        }
    }

    /// Removes a finished sequence.
    pub(super) fn finish(&mut self, number: u64) {
        if let Some(at) = self.running.iter().position(|sequence| sequence.number == number) {
            let sequence = self.running.remove(at);
            self.pool.release(&sequence.pages);
        }
    }

    /// Removes a sequence that is not finished. Returns false if it must stay until its prompt is computed, because others may share its pages.
    pub(super) fn withdraw(&mut self, number: u64) -> bool {
        match self.running.iter().find(|sequence| sequence.number == number) {
            None => self.waiting.retain(|(waiting, _)| *waiting != number),
            Some(sequence) if sequence.is_sampled => self.finish(number),
            Some(_) => return false,
        }
        true
    }
}

impl Running {
    fn push_rows(&mut self, count: usize, step: &mut Step) {
        let paged = &mut step.rows.paged;
        let table = paged.pages.len() as u32;
        paged.pages.push(self.pages.clone());
        for position in self.computed..self.computed + count {
            step.rows.tokens.push(self.tokens[position]);
            paged.positions.push(position as u32);
            paged.tables.push(table);
        }
        self.computed += count;
        if self.computed == self.tokens.len() {
            step.rows.sampled.push(step.rows.tokens.len() as u32 - 1);
            step.sampled.push(self.number);
            self.is_sampled = true;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::SamplingParams;
    use crate::kernels::PAGE;
    use std::collections::{BTreeMap, HashMap};

    /// Runs random requests to their end and checks every step against what must always hold.
    fn run(seed: u64, limits: EngineLimits, pages: usize) {
        let mut state = seed;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        let prefix: Vec<u32> = (0..40).collect();
        let requests: Vec<Arc<Request>> = (0..30)
            .map(|i| {
                let kept = below(41) as usize;
                let own = 1 + below(20) as u32;
                let prompt = [&prefix[..kept], &(0..own).map(|j| 1000 + i * 100 + j).collect::<Vec<_>>()].concat();
                Arc::new(Request { prompt, seeds: vec![0], params: SamplingParams::greedy(1 + below(30) as usize) })
            })
            .collect();
        let mut scheduler = Scheduler::new(PagePool::new(pages), &limits);
        // Half of them join while others run.
        let mut joining = requests.iter().enumerate();
        for (number, request) in joining.by_ref().take(15) {
            scheduler.add(number as u64, Arc::clone(request));
        }
        let mut generated: BTreeMap<u64, usize> = BTreeMap::new();
        let mut contents: HashMap<(u32, usize), (usize, u32)> = HashMap::new();
        let mut finished = 0;
        while let Some(step) = scheduler.plan() {
            if let Some((number, request)) = joining.next() {
                scheduler.add(number as u64, Arc::clone(request));
            }
            let rows = &step.rows;
            assert!(rows.tokens.len() <= limits.step_rows && rows.paged.pages.len() <= limits.sequences);
            // All rows store before any attends: record, then check what each row would see.
            for (row, position) in rows.paged.positions.iter().enumerate() {
                let position = *position as usize;
                let page = rows.paged.pages[rows.paged.tables[row] as usize][position / PAGE];
                contents.insert((page, position % PAGE), (position, rows.tokens[row]));
            }
            for &row in &rows.sampled {
                let table = &rows.paged.pages[rows.paged.tables[row as usize] as usize];
                let index = step.sampled[rows.sampled.iter().position(|r| *r == row).unwrap()];
                let sequence = scheduler.running.iter().find(|s| s.number == index).unwrap();
                for (position, token) in sequence.tokens.iter().enumerate() {
                    assert_eq!(contents[&(table[position / PAGE], position % PAGE)], (position, *token));
                }
            }
            for index in step.sampled {
                let count = generated.entry(index).or_default();
                *count += 1;
                if *count == requests[index as usize].params.max_new_tokens {
                    scheduler.finish(index);
                    finished += 1;
                } else {
                    scheduler.extend(index, 50_000 + index as u32 * 100 + *count as u32);
                }
            }
        }
        assert_eq!(finished, requests.len());
        assert!(generated.iter().all(|(index, count)| *count == requests[*index as usize].params.max_new_tokens));
        assert_eq!(scheduler.pool.unused(), pages);
    }

    #[test]
    fn every_request_is_served_and_sees_its_own_past() {
        for seed in 0..40 {
            run(seed, EngineLimits { sequences: 8, step_rows: 24, ..EngineLimits::default() }, 40);
            run(seed, EngineLimits { sequences: 30, step_rows: 1000, ..EngineLimits::default() }, 500);
            run(seed, EngineLimits { sequences: 3, step_rows: 7, ..EngineLimits::default() }, 6);
        }
    }
}
