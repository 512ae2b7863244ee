//! The fast Fourier transform of a power of two of values, in place (Cooley and
//! Tukey, radix 2), without scaling. Enough for a judge; it refuses to be fast.

use std::f64::consts::TAU;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f64,
    pub(super) im: f64,
}

impl Complex {
    pub(super) fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    There,
    Back,
}

/// `values` must be a power of two in number; others come out as they went in.
pub(super) fn transform(values: &mut [Complex], direction: Direction) {
    let size = values.len();
    if size < 2 || !size.is_power_of_two() {
        return;
    }
    let shift = usize::BITS - size.trailing_zeros();
    for at in 0..size {
        let partner = at.reverse_bits() >> shift;
        if at < partner {
            values.swap(at, partner);
        }
    }
    let turn = if direction == Direction::There { -TAU } else { TAU };
    let factors: Vec<Complex> = (0..size / 2)
        .map(|at| {
            let angle = turn * at as f64 / size as f64;
            Complex { re: angle.cos(), im: angle.sin() }
        })
        .collect();
    let mut width = 2;
    while width <= size {
        let (half, stride) = (width / 2, size / width);
        for block in values.chunks_exact_mut(width) {
            let (low, high) = block.split_at_mut(half);
            for (at, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let other = high.times(factors[at * stride]);
                *high = Complex { re: low.re - other.re, im: low.im - other.im };
                *low = Complex { re: low.re + other.re, im: low.im + other.im };
            }
        }
        width *= 2;
    }
}
