//! From a reply's bytes to its value: `decode` and the redis crate on the same bytes.
//!
//! `cargo bench -p respool-benches --bench decode`; `-- --quick` for a first look.
//!
//! - `decode`: ours, on a reply that was followed to its end.
//! - `frames + decode`: with the following, which is what a connection does.
//! - `redis codec`: the redis crate as its asynchronous connections use it, on a buffer that is kept;
//!   copying the bytes into it is part of the time.
//! - `redis parse`: the redis crate's `parse_redis_value`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis::{ValueCodec, parse_redis_value};
use respool_connect::{Frames, decode};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

fn replies() -> Vec<(&'static str, Vec<u8>)> {
    let string = |length: usize| format!("${length}\r\n{}\r\n", "x".repeat(length));
    let pair = |index| format!("$8\r\nfield{index:03}\r\n${}\r\n{}\r\n", 20, "v".repeat(20));
    let entry = "*2\r\n$15\r\n1526919030474-0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n:2\r\n";
    [
        ("+OK", "+OK\r\n".to_owned()),
        (":int", ":123456\r\n".to_owned()),
        ("null", "$-1\r\n".to_owned()),
        ("string of 100", string(100)),
        ("string of 10k", string(10_000)),
        (
            "100 strings of 20",
            format!("*100\r\n{}", string(20).repeat(100)),
        ),
        (
            "20 entries of a stream",
            format!("*20\r\n{}", entry.repeat(20)),
        ),
        (
            "map of 50",
            format!("%50\r\n{}", (0..50).map(pair).collect::<String>()),
        ),
        (
            "pushed message",
            format!(">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n{}", string(20)),
        ),
        ("-ERR", "-ERR unknown command 'x'\r\n".to_owned()),
    ]
    .map(|(name, reply)| (name, reply.into_bytes()))
    .into()
}

fn each_reply(criterion: &mut Criterion) {
    for (name, reply) in replies() {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(reply.len() as u64));
        group.bench_function("decode", |bencher| {
            bencher.iter(|| decode(black_box(&reply)).unwrap());
        });
        group.bench_function("frames + decode", |bencher| {
            let mut frames = Frames::new();
            bencher.iter(|| {
                let reply = black_box(&reply);
                let ended = frames.next(reply).unwrap().unwrap();
                decode(&reply[..ended.used]).unwrap()
            });
        });
        group.bench_function("redis codec", |bencher| {
            let (mut codec, mut buffer) = (ValueCodec::default(), BytesMut::new());
            bencher.iter(|| {
                buffer.extend_from_slice(black_box(&reply));
                codec.decode(&mut buffer).unwrap().unwrap()
            });
        });
        group.bench_function("redis parse", |bencher| {
            bencher.iter(|| parse_redis_value(black_box(&reply)).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, each_reply);
criterion_main!(benches);
