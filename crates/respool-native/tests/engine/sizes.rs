use redis::{AsyncCommands, pipe};
use respool_testserver::RedisServer;

use crate::pool_of;

/// Sizes about those of the buffers, and far beyond: a reply begins anywhere in them, after others.
const SIZES: [usize; 12] = [
    0, 1, 3_000, 4_080, 4_096, 5_000, 16_384, 65_530, 65_536, 100_000, 1_048_576, 2_500_000,
];

/// A value that tells of itself which one it is.
fn value(number: usize, size: usize) -> Vec<u8> {
    let byte = b'a' + u8::try_from(number % 26).unwrap();
    let mut value = vec![byte; size];
    if let Some(last) = value.last_mut() {
        *last = b'.';
    }
    value
}

async fn each_reply_is_whole(connection: &mut impl AsyncCommands) {
    let mut values = Vec::new();
    for (number, size) in SIZES.into_iter().enumerate() {
        let value = value(number, size);
        let () = connection.set(number, &value).await.unwrap();
        values.push(value);
    }
    for offset in 0..SIZES.len() {
        let numbers: Vec<usize> = (0..SIZES.len())
            .map(|number| (number * 5 + offset) % SIZES.len())
            .collect();
        let mut pipeline = pipe();
        for number in &numbers {
            pipeline.get(number).cmd("ECHO").arg(number);
        }
        let replies: Vec<Vec<u8>> = pipeline.query_async(connection).await.unwrap();
        for (replies, number) in replies.chunks(2).zip(numbers) {
            assert!(replies[0] == values[number], "value {number}");
            assert_eq!(replies[1], number.to_string().as_bytes());
            let alone: Vec<u8> = connection.get(number).await.unwrap();
            assert!(alone == values[number], "value {number} alone");
        }
    }
}

#[tokio::test]
async fn replies_of_every_size_arrive_whole_on_a_held_connection() {
    let server = RedisServer::start().await.unwrap();
    for protocol in ["resp2", "resp3"] {
        let pool = pool_of(&format!("{}?protocol={protocol}", server.url()), 1);
        each_reply_is_whole(&mut pool.get().await.unwrap()).await;
    }
}

#[tokio::test]
async fn replies_of_every_size_arrive_whole_on_lanes() {
    let server = RedisServer::start().await.unwrap();
    let pool = pool_of(&server.url(), 4);
    each_reply_is_whole(&mut pool.client()).await;
}
