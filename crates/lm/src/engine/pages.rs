//! Pages of the key-value cache: which sequences use them, and which beginnings of prompts they hold.
//!
//! A full page of a prompt is identified by the page before it and its tokens, so that prompts with the same beginning share pages. A page
//! without users keeps its contents until the pool needs it; the page that is idle longest is reused first.

use crate::kernels::PAGE;
use std::collections::{HashMap, VecDeque};

/// The identity of a page that can be shared: the node before it, and its tokens.
type Key = (Option<u64>, [u32; PAGE]);

#[derive(Debug, Clone, Default)]
struct Page {
    users: usize,
    /// Its node in the tree of prompt beginnings, if it can be shared.
    node: Option<(u64, Key)>,
}

/// All pages of a cache.
#[derive(Debug)]
pub(super) struct PagePool {
    pages: Vec<Page>,
    free: Vec<u32>,
    /// Pages without users that still hold the beginning of a prompt, oldest first. Entries of pages that are in use again are ignored.
    idle: VecDeque<u32>,
    idle_count: usize,
    nodes: HashMap<Key, (u64, u32)>,
    sharing: bool,
    next_node: u64,
}

impl PagePool {
    pub(super) fn new(pages: usize) -> Self {
        PagePool {
            pages: vec![Page::default(); pages],
            free: (0..pages as u32).rev().collect(),
            idle: VecDeque::new(),
            idle_count: 0,
            nodes: HashMap::new(),
            sharing: true,
            next_node: 0,
        }
    }

    /// A pool in which sequences share no pages.
    pub(super) fn unshared(pages: usize) -> Self {
        PagePool { sharing: false, ..PagePool::new(pages) }
    }

    /// Pages for a sequence of `total` positions, and how many positions of the prompt are computed by other sequences, now or in the next step.
    /// `None` if there are not enough free pages.
    ///
    /// The last token of the prompt is never shared, because its logits are needed.
    pub(super) fn allocate(&mut self, prompt: &[u32], total: usize) -> Option<(Vec<u32>, usize)> {
        let shareable = if self.sharing { prompt.len() - 1 } else { 0 };
        let chunks = prompt[..shareable].as_chunks::<PAGE>().0;
        let mut parent = None;
        let mut table = Vec::with_capacity(total.div_ceil(PAGE));
        for chunk in chunks {
            let Some((node, page)) = self.nodes.get(&(parent, *chunk)).copied() else { break };
            table.push(page);
            parent = Some(node);
        }
        let shared = table.len();
        for page in &table {
            self.take(*page);
        }
        let wanted = total.div_ceil(PAGE) - shared;
        if self.free.len() + self.idle_count < wanted {
            self.release(&table);
            return None;
        }
        for index in shared..shared + wanted {
            let page = self.fresh();
            if let Some(chunk) = chunks.get(index) {
                let key = (parent, *chunk);
                self.nodes.insert(key, (self.next_node, page));
                self.pages[page as usize].node = Some((self.next_node, key));
                parent = Some(self.next_node);
                self.next_node += 1;
            }
            table.push(page);
        }
        Some((table, shared * PAGE))
    }

    /// Releases the pages of a sequence.
    pub(super) fn release(&mut self, table: &[u32]) {
        for &index in table {
            let page = &mut self.pages[index as usize];
            page.users -= 1;
            match (page.users, page.node.is_some()) {
                (0, true) => {
                    self.idle.push_back(index);
                    self.idle_count += 1;
                }
                (0, false) => self.free.push(index),
                _ => {}
            }
        }
    }

    fn take(&mut self, index: u32) {
        let page = &mut self.pages[index as usize];
        if page.users == 0 {
            self.idle_count -= 1;
            self.idle.retain(|idle| *idle != index);
        }
        page.users += 1;
    }

    /// A free page: an unused one, or the one that is idle longest. The caller has checked that there is one.
    fn fresh(&mut self) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.idle_count -= 1;
            self.idle.pop_front().expect("the caller counted free and idle pages")
        });
        let page = &mut self.pages[index as usize];
        if let Some((_, key)) = page.node.take() {
            self.nodes.remove(&key);
        }
        page.users = 1;
        index
    }

    /// Pages without users.
    #[cfg(test)]
    pub(super) fn unused(&self) -> usize {
        self.free.len() + self.idle_count
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_begin_alike_share_full_pages_only() {
        let mut pool = PagePool::new(16);
        let prompt: Vec<u32> = (0..40).collect();
        let (first, shared) = pool.allocate(&prompt, 50).unwrap();
        assert_eq!((first.len(), shared), (4, 0));
        let mut other = prompt.clone();
        other[35] = 99;
        let (second, shared) = pool.allocate(&other, 50).unwrap();
        assert_eq!(shared, 32);
        assert_eq!(first[..2], second[..2]);
        assert!(first[2..].iter().all(|page| !second.contains(page)));
    }

    #[test]
    fn the_last_prompt_token_is_always_computed() {
        let mut pool = PagePool::new(16);
        let prompt: Vec<u32> = (0..32).collect();
        pool.allocate(&prompt, 40).unwrap();
        assert_eq!(pool.allocate(&prompt, 40).unwrap().1, 16);
    }

    #[test]
    fn idle_beginnings_are_found_again_until_their_room_is_needed() {
        let mut pool = PagePool::new(4);
        let prompt: Vec<u32> = (0..33).collect();
        let (table, _) = pool.allocate(&prompt, 48).unwrap();
        pool.release(&table);
        assert_eq!(pool.unused(), 4);
        let (table, shared) = pool.allocate(&prompt, 48).unwrap();
        assert_eq!(shared, 32);
        pool.release(&table);
        let other: Vec<u32> = (100..160).collect();
        let (table, _) = pool.allocate(&other, 64).unwrap();
        assert!(pool.allocate(&prompt, 48).is_none());
        pool.release(&table);
        assert_eq!(pool.allocate(&prompt, 48).unwrap().1, 0);
    }

    #[test]
    fn a_refused_request_changes_nothing() {
        let mut pool = PagePool::new(3);
        let prompt: Vec<u32> = (0..17).collect();
        let (table, _) = pool.allocate(&prompt, 32).unwrap();
        assert!(pool.allocate(&prompt, 64).is_none());
        assert_eq!(pool.unused(), 1);
        pool.release(&table);
        assert_eq!(pool.unused(), 3);
    }
}
