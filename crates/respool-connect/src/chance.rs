use std::hash::{BuildHasher, RandomState};

/// A number from 0.0 up to 1.0, another one each time: good enough to keep apart what would happen
/// at once. Each [`RandomState`] has keys of its own, which is all the chance that std has.
pub(crate) fn chance() -> f64 {
    const PARTS: u32 = 1 << 31;
    let bits = RandomState::new().hash_one(()) % u64::from(PARTS);
    bits as f64 / f64::from(PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread_over_all_that_it_may_be() {
        let numbers: Vec<f64> = (0..1_000).map(|_| chance()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        for tenth in 0..10 {
            let within = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
            let share = numbers.iter().filter(|number| within.contains(number));
            assert!(share.count() > 20, "{within:?}");
        }
    }
}
