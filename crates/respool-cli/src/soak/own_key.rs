use super::operations::expect;
use super::state::{Forecast, State};
use super::value::version_of;

/// A key that one task alone writes, one write after the other, and what it can hold.
#[derive(Debug)]
pub(super) struct OwnKey {
    pub(super) name: String,
    versions: u64,
    /// The last write that was answered, and the weather when it was sent.
    confirmed: Option<(u64, Forecast)>,
    /// Writes that were given up or failed: each may have been executed, or will be yet.
    doubtful: Vec<u64>,
}

/// What a read may find.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    versions: Vec<u64>,
    /// Something is there, if it stayed calm since: a server that is killed forgets.
    written: Option<Forecast>,
}

impl OwnKey {
    pub(super) fn new(name: String) -> Self {
        OwnKey {
            name,
            versions: 0,
            confirmed: None,
            doubtful: Vec::new(),
        }
    }

    /// The version that is to be written next. In doubt until it is confirmed.
    pub(super) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.doubtful.push(self.versions);
        self.versions
    }

    /// The writes from `first` to `last` were answered; they were sent under `forecast`.
    pub(super) fn confirm(&mut self, first: u64, last: u64, forecast: Forecast) {
        self.doubtful.retain(|version| *version < first);
        self.confirmed = Some((last, forecast));
    }

    pub(super) fn doubts(&self) -> usize {
        self.doubtful.len()
    }

    /// What a read that is sent now may find.
    pub(super) fn expected(&self) -> Expected {
        let confirmed = self.confirmed.iter().map(|(version, _)| *version);
        Expected {
            versions: confirmed.chain(self.doubtful.iter().copied()).collect(),
            written: self.confirmed.map(|(_, forecast)| forecast),
        }
    }

    /// What a read that is sent with the write of `version`, and after it, may find.
    pub(super) fn expected_after(&self, first: u64, version: u64, forecast: Forecast) -> Expected {
        let doubtful = self.doubtful.iter().copied();
        Expected {
            versions: doubtful
                .filter(|doubtful| *doubtful < first)
                .chain([version])
                .collect(),
            written: Some(forecast),
        }
    }
}

impl Expected {
    /// A reply of something else is a breach.
    pub(super) fn check(&self, state: &State, what: &str, key: &str, reply: Option<&[u8]>) {
        let nothing = self.written.is_none_or(|then| !state.stayed_calm(then));
        let wanted = || format!("{key} in a version of {:?}", self.versions);
        match reply {
            Some(value) => expect(state, what, self.allows(key, value), &wanted(), value),
            None => expect(state, what, nothing, &wanted(), b"nothing"),
        }
    }

    fn allows(&self, key: &str, value: &[u8]) -> bool {
        version_of(key, value).is_some_and(|version| self.versions.contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::value_of;
    use super::*;

    fn allowed(key: &OwnKey, expected: &Expected) -> Vec<u64> {
        let value = |version| value_of(&key.name, version, 100);
        let is_allowed = |version: &u64| expected.allows(&key.name, &value(*version));
        (0..9).filter(is_allowed).collect()
    }

    #[test]
    fn a_read_finds_the_last_answer_or_what_is_in_doubt() {
        let mut key = OwnKey::new("own".to_owned());
        assert!(allowed(&key, &key.expected()).is_empty());
        for doubtful in [false, true, false] {
            let version = key.next_version();
            if !doubtful {
                key.confirm(version, version, Forecast::CALM);
            }
        }
        assert_eq!(allowed(&key, &key.expected()), [2, 3]);
    }

    #[test]
    fn a_read_in_a_pipeline_finds_the_write_before_it() {
        let mut key = OwnKey::new("own".to_owned());
        let confirmed = key.next_version();
        key.confirm(confirmed, confirmed, Forecast::CALM);
        let _doubtful = key.next_version();
        let first = key.next_version();
        let second = key.next_version();
        let expected = key.expected_after(first, second, Forecast::CALM);
        assert_eq!(allowed(&key, &expected), [2, 4]);
    }

    #[test]
    fn a_value_of_another_key_is_found_out() {
        let mut key = OwnKey::new("own".to_owned());
        let version = key.next_version();
        assert!(
            !key.expected()
                .allows("own", &value_of("other", version, 100))
        );
    }
}
