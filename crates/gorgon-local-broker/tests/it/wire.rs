//! A client that writes its own bytes.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use amq_protocol::{
    frame::{AMQPFrame, WriteContext, gen_frame, parse_frame},
    protocol::{AMQPClass, channel, connection},
};
use gorgon_local_broker::LocalBroker;

pub(crate) struct Wire {
    socket: TcpStream,
    input: Vec<u8>,
}

impl Wire {
    /// Connects, and says nothing yet.
    pub(crate) fn connect(broker: &LocalBroker) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            socket,
            input: Vec::new(),
        }
    }

    /// Connects and greets; `start` has been read.
    pub(crate) fn greet(broker: &LocalBroker) -> Self {
        let mut wire = Self::connect(broker);
        wire.bytes(b"AMQP\x00\x00\x09\x01");
        assert!(matches!(
            wire.method(),
            AMQPClass::Connection(connection::AMQPMethod::Start(_))
        ));
        wire
    }

    /// Connects, logs in and opens channel 1.
    pub(crate) fn open(broker: &LocalBroker, frame_max: u32, heartbeat: u16) -> Self {
        let mut wire = Self::greet(broker);
        let start_ok = connection::StartOk {
            mechanism: "PLAIN".into(),
            response: format!("\0{}\0{}", broker.user(), broker.password()).into(),
            locale: "en_US".into(),
            ..Default::default()
        };
        wire.connection(connection::AMQPMethod::StartOk(start_ok));
        assert!(matches!(
            wire.method(),
            AMQPClass::Connection(connection::AMQPMethod::Tune(_))
        ));
        let tune_ok = connection::TuneOk {
            channel_max: 2047,
            frame_max,
            heartbeat,
        };
        wire.connection(connection::AMQPMethod::TuneOk(tune_ok));
        wire.connection(connection::AMQPMethod::Open(connection::Open {
            virtual_host: "/".into(),
        }));
        assert!(matches!(
            wire.method(),
            AMQPClass::Connection(connection::AMQPMethod::OpenOk(_))
        ));
        wire.send(
            1,
            AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})),
        );
        assert!(matches!(
            wire.method(),
            AMQPClass::Channel(channel::AMQPMethod::OpenOk(_))
        ));
        wire
    }

    pub(crate) fn connection(&mut self, method: connection::AMQPMethod) {
        self.send(0, AMQPClass::Connection(method));
    }

    pub(crate) fn send(&mut self, channel: u16, method: AMQPClass) {
        let bytes = frame(&AMQPFrame::Method(channel, method));
        self.bytes(&bytes);
    }

    /// Writes; a broker that has hung up meanwhile is no fault of the test.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        // What the broker said before it hung up is what the test looks at.
        let _ = self.socket.write_all(bytes);
    }

    /// Reads the next frame; none when the broker has closed the socket.
    pub(crate) fn frame(&mut self) -> Option<AMQPFrame> {
        let mut piece = vec![0; 65_536];
        loop {
            if let Ok((rest, frame)) = parse_frame(self.input.as_slice()) {
                let used = self.input.len() - rest.len();
                self.input.drain(..used);
                return Some(frame);
            }
            match self.socket.read(&mut piece) {
                Ok(0) => return None,
                Ok(read) => self.input.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// Reads the next method, over heartbeats.
    pub(crate) fn method(&mut self) -> AMQPClass {
        loop {
            match self.frame() {
                Some(AMQPFrame::Method(_, method)) => return method,
                Some(AMQPFrame::Heartbeat) => {}
                other => panic!("no method, but {other:?}"),
            }
        }
    }

    /// Reads until the broker closes the connection, and returns the code it gave.
    pub(crate) fn closed(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(frame) = self.frame() {
            if let AMQPFrame::Method(
                0,
                AMQPClass::Connection(connection::AMQPMethod::Close(close)),
            ) = frame
            {
                code = Some(close.reply_code);
                self.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
                self.socket.shutdown(std::net::Shutdown::Write).unwrap();
            }
        }
        code
    }
}

pub(crate) fn frame(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(WriteContext::from(Vec::new()))
        .unwrap()
        .into_inner()
        .0
}
