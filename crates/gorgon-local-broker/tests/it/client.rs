//! A connection of the client library, made as the product makes it: own socket, no delay.

use std::{net::TcpStream, time::Duration};

use amiquip::{
    Auth, Connection, ConnectionOptions, ConnectionTuning, Consumer, ConsumerMessage, Delivery,
    QueueDeclareOptions,
};
use gorgon_local_broker::LocalBroker;

pub(crate) fn connect(broker: &LocalBroker) -> Connection {
    open(broker, broker.password(), "/", 5).unwrap()
}

pub(crate) fn open(
    broker: &LocalBroker,
    password: &str,
    vhost: &str,
    heartbeat: u16,
) -> Result<Connection, amiquip::Error> {
    let socket = TcpStream::connect(("127.0.0.1", broker.port())).unwrap();
    socket.set_nodelay(true).unwrap();
    let auth = Auth::Plain {
        username: broker.user().to_owned(),
        password: password.to_owned(),
    };
    let options = ConnectionOptions::default()
        .auth(auth)
        .virtual_host(vhost)
        .heartbeat(heartbeat)
        .connection_timeout(Some(Duration::from_secs(30)));
    let stream = mio::net::TcpStream::from_stream(socket).unwrap();
    Connection::insecure_open_stream(stream, options, ConnectionTuning::default())
}

/// A queue as RabbitMQ 4.3 takes it.
pub(crate) fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    }
}

pub(crate) fn next(consumer: &Consumer<'_>) -> Delivery {
    match consumer.receiver().recv_timeout(Duration::from_secs(30)) {
        Ok(ConsumerMessage::Delivery(delivery)) => delivery,
        other => panic!("no delivery, but {other:?}"),
    }
}

pub(crate) fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.body).into_owned()
}

pub(crate) fn nothing_comes(consumer: &Consumer<'_>) {
    if let Ok(message) = consumer.receiver().recv_timeout(Duration::from_millis(100)) {
        panic!("unexpected {message:?}");
    }
}
