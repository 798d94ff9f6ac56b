//! Frames of a connection's channels: open, close, contents put together, the rest to the broker.

use std::time::Instant;

use amq_protocol::protocol::{AMQPClass, basic, channel};

use super::{CHANNEL_MAX, ChannelStage, Connection, MESSAGE_MAX};
use crate::{
    core::{Broker, ChannelId},
    fault::Fault,
    frames::Frame,
};

/// A message of which not all frames have come.
#[derive(Debug)]
pub(super) struct Incoming {
    publish: basic::Publish,
    /// Set by the content header.
    size: Option<u64>,
    properties: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// Takes one frame of a channel.
    pub(super) fn channel_frame(
        &mut self,
        now: Instant,
        number: u16,
        frame: Frame<'_>,
        broker: &mut Broker,
    ) -> Result<(), Fault> {
        let id = ChannelId {
            connection: self.id,
            number,
        };
        if let Frame::Body(piece) = &frame {
            self.has_room_for(piece.len())?;
        }
        match (self.channels.get_mut(&number), frame) {
            (None, Frame::Method(AMQPClass::Channel(channel::AMQPMethod::Open(_)))) => {
                if number > CHANNEL_MAX {
                    return Err(Fault::not_allowed(format!(
                        "channel {number}, when at most {CHANNEL_MAX} were agreed"
                    )));
                }
                broker.open_channel(id);
                self.channels.insert(number, ChannelStage::Open(None));
                broker.send(
                    id,
                    AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})),
                );
                Ok(())
            }
            // Answers to a close of ours that the client's own close has overtaken.
            (None, Frame::Method(AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)))) => Ok(()),
            (None, _) => Err(Fault::channel_error("expected 'channel.open'")),
            (Some(_), Frame::Method(AMQPClass::Channel(channel::AMQPMethod::Close(_)))) => {
                broker.close_channel(now, id);
                self.channels.remove(&number);
                broker.send(
                    id,
                    AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})),
                );
                Ok(())
            }
            (
                Some(ChannelStage::Closing),
                Frame::Method(AMQPClass::Channel(channel::AMQPMethod::CloseOk(_))),
            ) => {
                self.channels.remove(&number);
                Ok(())
            }
            (Some(ChannelStage::Closing), _) => Ok(()),
            (Some(ChannelStage::Open(incoming)), frame) => match (incoming.take(), frame) {
                (None, Frame::Method(method)) => {
                    if let AMQPClass::Basic(basic::AMQPMethod::Publish(publish)) = method {
                        let begun = Incoming {
                            publish,
                            size: None,
                            properties: Vec::new(),
                            body: Vec::new(),
                        };
                        *incoming = Some(begun);
                        self.has_published = true;
                        Ok(())
                    } else {
                        channel_method(now, id, method, broker)
                    }
                }
                (Some(mut message), frame) => {
                    if message.take(frame)? {
                        broker.publish(id, message.publish, message.properties, message.body)
                    } else {
                        *incoming = Some(message);
                        Ok(())
                    }
                }
                (None, _) => Err(Fault::unexpected_frame("a content, when a method was due")),
            },
        }
    }
}

impl Connection {
    /// A client may begin a message on each channel and end none: all together they are no larger than one may be.
    fn has_room_for(&self, more: usize) -> Result<(), Fault> {
        let begun = self.channels.values().map(|stage| match stage {
            ChannelStage::Open(Some(incoming)) => incoming.body.len(),
            ChannelStage::Open(None) | ChannelStage::Closing => 0,
        });
        if (begun.sum::<usize>() + more) as u64 > MESSAGE_MAX {
            return Err(Fault::resource_error(format!(
                "unfinished messages of more than {MESSAGE_MAX} bytes"
            )));
        }
        Ok(())
    }
}

fn channel_method(
    now: Instant,
    id: ChannelId,
    method: AMQPClass,
    broker: &mut Broker,
) -> Result<(), Fault> {
    match method {
        AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
            Err(Fault::channel_error("second 'channel.open' seen"))
        }
        AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: true })) => {
            let ok = channel::FlowOk { active: true };
            broker.send(id, AMQPClass::Channel(channel::AMQPMethod::FlowOk(ok)));
            Ok(())
        }
        AMQPClass::Channel(channel::AMQPMethod::Flow(_)) => {
            Err(Fault::not_implemented("active=false"))
        }
        // The answer to a consumer that we ended.
        AMQPClass::Basic(basic::AMQPMethod::CancelOk(_)) => Ok(()),
        AMQPClass::Connection(_) => Err(Fault::command_invalid(
            "methods of the connection go on channel 0",
        )),
        other => broker.method(now, id, other),
    }
}

impl Incoming {
    /// Takes the next frame of a content; true when it was the last.
    fn take(&mut self, frame: Frame<'_>) -> Result<bool, Fault> {
        match (self.size, frame) {
            (
                None,
                Frame::Header {
                    class: 60,
                    size,
                    properties,
                },
            ) => {
                if size > MESSAGE_MAX {
                    return Err(Fault::precondition_failed(format!(
                        "message size {size} is larger than configured max size {MESSAGE_MAX}"
                    )));
                }
                self.size = Some(size);
                self.properties = properties.to_vec();
            }
            (Some(_), Frame::Body(piece)) => self.body.extend_from_slice(piece),
            (None, _) => {
                return Err(Fault::unexpected_frame(
                    "expected content header for class 60",
                ));
            }
            (Some(_), _) => return Err(Fault::unexpected_frame("expected content body")),
        }
        let (have, size) = (self.body.len() as u64, self.size.unwrap_or(u64::MAX));
        if have > size {
            return Err(Fault::frame_error(format!(
                "a body of more than the announced {size} bytes"
            )));
        }
        Ok(have == size)
    }
}
