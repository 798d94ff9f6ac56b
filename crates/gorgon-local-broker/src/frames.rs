//! Frames: bytes in, borrowed frames out, and back.
//!
//! Methods are read and written by the codec crate. The seven bytes around a payload are taken apart here, so that a
//! body stays a slice of the input, properties pass through unread, and a wrong size has its own error.

use amq_protocol::{
    frame::{WriteContext, parsing::parse_content_header},
    protocol::{AMQPClass, constants, gen_class, parse_class},
};

use crate::{core::Message, fault::Fault};

/// What a client says first, and what it hears when it says anything else.
pub(crate) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// Type, channel and size in front of a payload, and the end mark behind it.
pub(crate) const FRAME_OVERHEAD: usize = 8;
/// Largest method or content header that is read. The codec reads tables in tables by recursion, so how deep they can
/// nest must have a bound that the stack has room for. RabbitMQ has none but the frame's; no client of ours comes near.
pub(crate) const METHOD_MAX: usize = 16 << 10;
/// Class, weight and body size in front of a content's properties.
const HEADER_PREFIX: usize = 12;

/// One frame of a client.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    Method(AMQPClass),
    Header {
        class: u16,
        size: u64,
        properties: &'a [u8],
    },
    Body(&'a [u8]),
    Heartbeat,
}

/// What the front of the input holds.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A frame on `channel` that takes `length` bytes.
    Frame {
        channel: u16,
        frame: Frame<'a>,
        length: usize,
    },
    /// More bytes are needed.
    Incomplete,
}

/// Reads the frame at the front of `input`, at most `frame_max` bytes long.
pub(crate) fn parse(input: &[u8], frame_max: usize) -> Result<Parsed<'_>, Fault> {
    let [kind, channel_high, channel_low, size @ ..] = input else {
        return Ok(Parsed::Incomplete);
    };
    let Some(size) = size.first_chunk::<4>() else {
        return Ok(Parsed::Incomplete);
    };
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    if size > frame_max.saturating_sub(FRAME_OVERHEAD) {
        return Err(Fault::frame_error(format!(
            "a frame of {size} bytes, when at most {frame_max} were agreed"
        )));
    }
    let length = size + FRAME_OVERHEAD;
    if input.len() < length {
        return Ok(Parsed::Incomplete);
    }
    if input[length - 1] != constants::FRAME_END {
        return Err(Fault::frame_error("no end mark where the frame ends"));
    }
    let channel = u16::from_be_bytes([*channel_high, *channel_low]);
    let payload = &input[7..length - 1];
    if matches!(*kind, constants::FRAME_METHOD | constants::FRAME_HEADER) && size > METHOD_MAX {
        return Err(Fault::frame_error(format!(
            "a method of {size} bytes, when the local broker reads at most {METHOD_MAX}"
        )));
    }
    let frame = match *kind {
        constants::FRAME_METHOD => Frame::Method(method(payload)?),
        constants::FRAME_HEADER => header(payload)?,
        constants::FRAME_BODY => Frame::Body(payload),
        constants::FRAME_HEARTBEAT => Frame::Heartbeat,
        other => return Err(Fault::frame_error(format!("unknown frame type {other}"))),
    };
    Ok(Parsed::Frame {
        channel,
        frame,
        length,
    })
}

fn method(payload: &[u8]) -> Result<AMQPClass, Fault> {
    match parse_class(payload) {
        Ok((_, class)) => Ok(class),
        Err(_) => {
            let ids = payload.first_chunk::<4>().map_or([0; 4], |ids| *ids);
            let class = u16::from_be_bytes([ids[0], ids[1]]);
            let method = u16::from_be_bytes([ids[2], ids[3]]);
            Err(Fault::syntax_error(format!(
                "method {method} of class {class} cannot be read"
            )))
        }
    }
}

fn header(payload: &[u8]) -> Result<Frame<'_>, Fault> {
    match parse_content_header(payload) {
        Ok((_, header)) if header.properties.expiration().is_some() => {
            Err(Fault::not_implemented("messages that expire"))
        }
        Ok((_, header)) => Ok(Frame::Header {
            class: header.class_id,
            size: header.body_size,
            properties: &payload[HEADER_PREFIX..],
        }),
        Err(_) => Err(Fault::syntax_error("content header cannot be read")),
    }
}

/// Appends a method frame.
pub(crate) fn put_method(out: &mut Vec<u8>, channel: u16, method: &AMQPClass) {
    put_frame(out, constants::FRAME_METHOD, channel, |out| {
        // The codec writes into a vector of its own, which costs an allocation and leaves our offsets alone.
        let (payload, _) = gen_class(method)(WriteContext::from(Vec::with_capacity(64)))
            .expect("a method of ours fits into memory")
            .into_inner();
        out.extend_from_slice(&payload);
    });
}

/// Appends a method with its content, cut into frames of at most `frame_max` bytes.
pub(crate) fn put_content(
    out: &mut Vec<u8>,
    channel: u16,
    method: &AMQPClass,
    message: &Message,
    frame_max: usize,
) {
    put_method(out, channel, method);
    put_frame(out, constants::FRAME_HEADER, channel, |out| {
        out.extend_from_slice(&method.get_amqp_class_id().to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&(message.body.len() as u64).to_be_bytes());
        out.extend_from_slice(&message.properties);
    });
    for piece in message.body.chunks(frame_max - FRAME_OVERHEAD) {
        put_frame(out, constants::FRAME_BODY, channel, |out| {
            out.extend_from_slice(piece)
        });
    }
}

/// Appends a heartbeat.
pub(crate) fn put_heartbeat(out: &mut Vec<u8>) {
    put_frame(out, constants::FRAME_HEARTBEAT, 0, |_| ());
}

fn put_frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    payload(out);
    let size = u32::try_from(out.len() - start - 7).expect("frames are cut to size");
    out[start + 3..start + 7].copy_from_slice(&size.to_be_bytes());
    out.push(constants::FRAME_END);
}
