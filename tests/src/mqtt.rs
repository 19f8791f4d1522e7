//! Just enough MQTT 5 to put one message on a broker, by hand: it shares no code with the programs under test, so
//! that it can also send what they never would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH_QOS_1: u8 = 0x32;
const RETAIN: u8 = 0x01;
const PUBACK: u8 = 0x40;
const CLEAN_START: u8 = 0x02;
const LIMIT: Duration = Duration::from_secs(30);

/// Publishes one message at QoS 1 and waits until the broker has it.
///
/// # Panics
/// When the broker does not take it.
pub fn publish(port: u16, topic: &str, payload: &[u8], retain: bool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker accepts connections");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");

    let mut connect = text("MQTT");
    connect.extend([5, CLEAN_START, 0, 60, 0]);
    connect.extend(text("cabinwatch-test"));
    send(&mut stream, CONNECT, &connect);
    let acknowledged = receive(&mut stream, CONNACK);
    assert_eq!(acknowledged.get(1), Some(&0), "the broker refused the connection");

    let mut message = text(topic);
    message.extend([0, 1, 0]);
    message.extend(payload);
    send(&mut stream, PUBLISH_QOS_1 | if retain { RETAIN } else { 0 }, &message);
    let acknowledged = receive(&mut stream, PUBACK);
    assert!(acknowledged.get(2).is_none_or(|&reason| reason < 0x80), "the broker refused the message");
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    length.to_be_bytes().into_iter().chain(text.bytes()).collect()
}

fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) {
    let mut packet = vec![kind];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length % 128).expect("below 128");
        length /= 128;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    stream.write_all(&packet).expect("the broker reads");
}

fn receive(stream: &mut TcpStream, kind: u8) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("the broker answers");
    assert_eq!(head[0] & 0xf0, kind, "an unexpected packet");
    assert!(head[1] < 128, "an unexpectedly long packet");
    let mut body = vec![0; usize::from(head[1])];
    stream.read_exact(&mut body).expect("the broker sends whole packets");
    body
}
