//! Values that tell whose they are: a reply that belongs to another key can't pass for one of ours.

/// The value of `key` in this `version`, so many bytes long, or a little more.
pub(super) fn value_of(key: &str, version: u64, size: usize) -> Vec<u8> {
    let mark = format!("{key}|{version}|{size}|").into_bytes();
    let length = size.max(mark.len());
    mark.iter().copied().cycle().take(length).collect()
}

/// Whether `value` is one that [`value_of`] makes of `key`, in any version, down to its last byte.
pub(super) fn belongs_to(key: &str, value: &[u8]) -> bool {
    let mut parts = value.splitn(4, |byte| *byte == b'|');
    let (own, version, size) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&[u8]>| std::str::from_utf8(part?).ok()?.parse::<u64>().ok();
    match (number(version), number(size)) {
        (Some(version), Some(size)) if own == Some(key.as_bytes()) && size <= 2 << 20 => {
            value_of(key, version, size as usize) == value
        }
        _ => false,
    }
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
            assert!(belongs_to("soak:1", &value));
            assert!(!belongs_to("soak:2", &value));
            assert!(!belongs_to("soak:1", &value[1..]));
            assert!(!belongs_to("soak:1", &value[..value.len() - 1]));
        }
    }
}
