use super::*;

fn number(i: usize) -> f32 {
    ((i * 7919 + i * i * 31) % 1000) as f32 / 250.0 - 2.0
}

/// Four sequences: two share two pages, a third one page with them, the last none; the rows of the first are those of a prompt.
fn step() -> PagedRows {
    PagedRows {
        positions: vec![29, 30, 31, 32, 33, 40, 21, 6, 47],
        tables: vec![0, 0, 0, 0, 0, 1, 2, 3, 4],
        pages: vec![vec![1, 2, 5], vec![1, 2, 6], vec![1, 7], vec![8], vec![9, 10, 4]],
    }
}

const PAGES: usize = 12;

struct Step {
    heads: Heads,
    rows: PagedRows,
    fused: Vec<f32>,
}

impl Step {
    fn new(heads: Heads) -> Self {
        let rows = step();
        let fused = (0..rows.positions.len() * heads.fused_width()).map(number).collect();
        Step { heads, rows, fused }
    }

    /// A cache that holds something everywhere, and the step's own rows.
    fn cache<E: Element>(&self) -> (Vec<E>, Vec<E>) {
        let size = PAGES * self.heads.key_value * self.heads.dim * PAGE;
        let fill = |salt: usize| (0..size).map(|i| E::narrow(number(i + salt))).collect::<Vec<E>>();
        let (mut keys, mut values) = (fill(17), fill(501));
        store_pages(&self.fused, self.heads, &self.rows, &mut keys, &mut values);
        (keys, values)
    }

    fn attend<E: Element>(&self, attention: Attention, rows: &PagedRows, fused: &[f32]) -> Vec<f32> {
        let (keys, values) = self.cache::<E>();
        let mut out = vec![0.0; rows.positions.len() * self.heads.output_width()];
        paged_attention(fused, attention, rows, &keys, &values, &mut out);
        out
    }

    /// Position by position, in double precision, from the cache as it is.
    fn plain<E: Element>(&self, attention: Attention) -> Vec<f32> {
        let Step { heads, rows, fused } = self;
        let (keys, values) = self.cache::<E>();
        let (dim, size) = (heads.dim, heads.key_value * heads.dim * PAGE);
        let mut out = Vec::new();
        for (row, position) in rows.positions.iter().map(|position| *position as usize).enumerate() {
            for head in 0..heads.query {
                let query = &fused[row * heads.fused_width() + head * dim..][..dim];
                let seen = attention.first_seen(position)..position + 1;
                let place =
                    |at: usize| rows.pages[rows.tables[row] as usize][at / PAGE] as usize * size + head / heads.group() * dim * PAGE;
                let key = |at: usize, d: usize| f64::from(keys[place(at) + d * PAGE + at % PAGE].widen());
                let value = |at: usize, d: usize| f64::from(values[place(at) + at % PAGE * dim + d].widen());
                let score = |at: usize| (0..dim).map(|d| f64::from(query[d]) * key(at, d)).sum::<f64>() * f64::from(attention.scale);
                let weights: Vec<f64> = seen.clone().map(|at| score(at).exp()).collect();
                let total: f64 = weights.iter().sum();
                out.extend((0..dim).map(|d| seen.clone().zip(&weights).map(|(at, w)| w / total * value(at, d)).sum::<f64>() as f32));
            }
        }
        out
    }
}

fn shapes() -> impl Iterator<Item = (Step, Attention)> {
    let heads = [(8, 8, 32), (6, 2, 16), (4, 1, 24), (3, 3, 4), (5, 1, 40)];
    heads.into_iter().flat_map(|(query, key_value, dim)| {
        [None, Some(9), Some(18)].map(|window| {
            let heads = Heads { query, key_value, dim };
            (Step::new(heads), Attention { heads, scale: 0.1, softcap: None, window })
        })
    })
}

#[test]
fn attention_is_that_of_the_definition() {
    for (step, attention) in shapes() {
        for (got, expected) in [
            (step.attend::<f32>(attention, &step.rows, &step.fused), step.plain::<f32>(attention)),
            (step.attend::<u16>(attention, &step.rows, &step.fused), step.plain::<u16>(attention)),
        ] {
            assert!(got.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 2e-5), "{attention:?}");
        }
    }
}

#[test]
fn a_row_gives_the_same_bits_alone_and_beside_others() {
    for (step, attention) in shapes() {
        let together = step.attend::<f32>(attention, &step.rows, &step.fused);
        for row in 0..step.rows.positions.len() {
            let Step { heads, rows, fused } = &step;
            let pages = vec![rows.pages[rows.tables[row] as usize].clone()];
            let alone = PagedRows { positions: vec![rows.positions[row]], tables: vec![0], pages };
            let out = step.attend::<f32>(attention, &alone, &fused[row * heads.fused_width()..][..heads.fused_width()]);
            let expected = &together[row * heads.output_width()..][..heads.output_width()];
            assert!(out.iter().zip(expected).all(|(x, y)| x.to_bits() == y.to_bits()), "row {row}, {attention:?}");
        }
    }
}
