//! Values that tell whose they are: a reply that belongs to another key can't pass for one of ours.

/// The value of `key` in this `version`, so many bytes long, or a little more.
pub(super) fn value_of(key: &str, version: u64, size: usize) -> Vec<u8> {
    let mark = format!("{key}|{version}|{size}|").into_bytes();
    let length = size.max(mark.len());
    mark.iter().copied().cycle().take(length).collect()
}

/// The version of `value`, if it is one that [`value_of`] makes of `key`, down to its last byte.
pub(super) fn version_of(key: &str, value: &[u8]) -> Option<u64> {
    let mut parts = value.splitn(4, |byte| *byte == b'|');
    let (own, version, size) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |part| std::str::from_utf8(part).ok()?.parse::<u64>().ok();
    let (version, size) = (number(version)?, number(size)?);
    let is_own = own == key.as_bytes() && size <= 2 << 20;
    (is_own && value_of(key, version, size as usize) == value).then_some(version)
}

/// The beginning of a reply, for an account of what went wrong.
pub(super) fn excerpt(value: &[u8]) -> String {
    let start = &value[..value.len().min(60)];
    format!(
        "{:?} ({} bytes)",
        String::from_utf8_lossy(start),
        value.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_its_own_key_and_only_whole() {
        for size in [0, 20, 100_000] {
            let value = value_of("soak:1", 7, size);
            assert_eq!(version_of("soak:1", &value), Some(7));
            assert_eq!(version_of("soak:2", &value), None);
            assert_eq!(version_of("soak:1", &value[1..]), None);
            assert_eq!(version_of("soak:1", &value[..value.len() - 1]), None);
        }
    }
}
