//! Replies in RESP2, appended to what is to be sent.

pub(super) fn status(output: &mut Vec<u8>, text: &str) {
    line(output, b'+', text);
}

pub(super) fn error(output: &mut Vec<u8>, text: &str) {
    line(output, b'-', text);
}

pub(super) fn integer(output: &mut Vec<u8>, number: i64) {
    line(output, b':', &number.to_string());
}

pub(super) fn count(output: &mut Vec<u8>, number: usize) {
    line(output, b':', &number.to_string());
}

pub(super) fn nil(output: &mut Vec<u8>) {
    line(output, b'$', "-1");
}

pub(super) fn bytes(output: &mut Vec<u8>, bytes: &[u8]) {
    line(output, b'$', &bytes.len().to_string());
    output.extend_from_slice(bytes);
    output.extend_from_slice(b"\r\n");
}

/// The head of an array; its elements follow.
pub(super) fn array(output: &mut Vec<u8>, length: usize) {
    line(output, b'*', &length.to_string());
}

/// The head of a map; its keys and values follow. Only RESP3 has it.
pub(super) fn map(output: &mut Vec<u8>, pairs: usize) {
    line(output, b'%', &pairs.to_string());
}

fn line(output: &mut Vec<u8>, kind: u8, text: &str) {
    output.push(kind);
    output.extend_from_slice(text.as_bytes());
    output.extend_from_slice(b"\r\n");
}
