//! Best of k by a score: how often the candidate that scores highest among k is right, from one set of n candidates a problem.
//!
//! Drawing k of the n once would be noisy. The mean over all draws of k (V-STaR: Hosseini et al. 2024, section 2.4) is without bias and needs
//! one sort: the candidate of rank i (from 0) is the best of a draw that holds it and k - 1 of the n - 1 - i behind it.

/// A candidate's score, and whether it is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The higher, the better the verifier thinks of it.
    pub score: f64,
    /// True if its answer is right.
    pub right: bool,
}

/// The expected accuracy, in 0..=1, of the highest score among `k` of `candidates` drawn without replacement; of equal scores each is as likely
/// to be taken. With scores that tell right from wrong it is pass@k (Chen et al. 2021), with `k = 1` the mean.
///
/// # Panics
/// When `k` is 0 or more than there are candidates.
pub fn best_of_k(candidates: &[Candidate], k: usize) -> f64 {
    let n = candidates.len();
    assert!((1..=n).contains(&k), "best of {k} among {n}");
    let mut ranked = candidates.to_vec();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    // The probability that the candidate of rank i is the best of the draw: C(n - 1 - i, k - 1) / C(n, k), from one rank to the next.
    let mut probability = k as f64 / n as f64;
    let mut expected = 0.0;
    let mut rank = 0;
    for equals in ranked.chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
        let share = equals.iter().filter(|candidate| candidate.right).count() as f64 / equals.len() as f64;
        for _ in equals {
            expected += probability * share;
            let behind = n - 1 - rank;
            probability *= (behind as f64 - (k - 1) as f64).max(0.0) / behind.max(1) as f64;
            rank += 1;
        }
    }
    expected
}

#[cfg(test)]
mod tests {
    use super::{Candidate, best_of_k};

    /// The mean over all draws of `k`, one by one; of equal best scores the mean.
    fn by_brute_force(candidates: &[Candidate], k: usize) -> f64 {
        let (mut total, mut draws) = (0.0, 0.0);
        for draw in (0u32..1 << candidates.len()).filter(|draw| draw.count_ones() as usize == k) {
            let drawn: Vec<_> = candidates.iter().enumerate().filter(|(i, _)| draw >> i & 1 == 1).map(|(_, c)| c).collect();
            let highest = drawn.iter().map(|candidate| candidate.score).fold(f64::NEG_INFINITY, f64::max);
            let best: Vec<_> = drawn.iter().filter(|candidate| candidate.score.total_cmp(&highest).is_eq()).collect();
            total += best.iter().filter(|candidate| candidate.right).count() as f64 / best.len() as f64;
            draws += 1.0;
        }
        total / draws
    }

    /// Candidates from the digits of a number: some right, some scores equal.
    fn candidates(n: usize, pattern: usize) -> Vec<Candidate> {
        (0..n).map(|i| Candidate { score: ((i * 7 + pattern * 3) % 5) as f64 - 2.0, right: (i * i + pattern).is_multiple_of(3) }).collect()
    }

    #[test]
    fn the_estimator_is_the_mean_over_all_draws() {
        for n in 1..=9 {
            for pattern in 0..6 {
                let candidates = candidates(n, pattern);
                for k in 1..=n {
                    let (got, expected) = (best_of_k(&candidates, k), by_brute_force(&candidates, k));
                    assert!((got - expected).abs() < 1e-12, "{k} of {candidates:?}: {got}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn an_oracle_gives_pass_at_k_and_one_draw_the_mean() {
        let candidates: Vec<_> = candidates(8, 0).into_iter().map(|c| Candidate { score: f64::from(u8::from(c.right)), ..c }).collect();
        let right = candidates.iter().filter(|candidate| candidate.right).count();
        assert_eq!(right, 3);
        assert!((best_of_k(&candidates, 1) - 3.0 / 8.0).abs() < 1e-12);
        // 1 - C(5, 2) / C(8, 2)
        assert!((best_of_k(&candidates, 2) - (1.0 - 10.0 / 28.0)).abs() < 1e-12);
        assert!((best_of_k(&candidates, 6) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn infinite_scores_are_ranked_too() {
        let of = |score, right| Candidate { score, right };
        let candidates = [of(f64::NEG_INFINITY, true), of(-3.0, false), of(f64::NEG_INFINITY, true)];
        assert!((best_of_k(&candidates, 2) - 1.0 / 3.0).abs() < 1e-12);
    }
}
