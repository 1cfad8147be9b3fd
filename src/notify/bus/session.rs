//! A connection to a node of a broker: exchange, queues, and messages with their confirmations
//! (`_drivers/impl_rabbit.py: Connection.notify_send`).

use std::{
    collections::BTreeSet,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, ExchangeKind,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    protocol::{AMQPErrorKind, AMQPSoftError},
    runtime::default_runtime,
    tcp::AMQPUriTcpExt,
    types::{AMQPValue, FieldTable},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use tokio::{sync::Mutex, time::timeout};

use super::{Broker, Compression, Host, tls};

/// For how long a node may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub struct Session {
    connection: Connection,
    channel: Channel,
    exchange: String,
    durable: AtomicBool,
    broker: Broker,
    declared: Mutex<BTreeSet<String>>,
}

type Done<T> = Result<T, String>;

/// Why the broker is not known to have a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something that does not depend on the message.
    Link(String),
    /// The broker refuses this message, or another one on the same channel, which is closed now.
    Refused(String),
    /// It did not take this message; it may have no room.
    NotTaken(String),
}

impl Fault {
    /// How much it says of several at once: one message that is refused closes the channel for all.
    pub fn weight(&self) -> u8 {
        match self {
            Self::Link(_) => 0,
            Self::NotTaken(_) => 1,
            Self::Refused(_) => 2,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Link(why) | Self::Refused(why) | Self::NotTaken(why)) = self;
        f.write_str(why)
    }
}

fn uri(broker: &Broker, host: &Host) -> AMQPUri {
    let mechanism = match broker.login.as_str() {
        "plain" => SASLMechanism::Plain,
        "external" => SASLMechanism::External,
        "rabbit-cr-demo" => SASLMechanism::RabbitCrDemo,
        _ => SASLMechanism::AMQPlain,
    };
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: host.user.clone(), password: host.password.clone() },
            host: host.name.clone(),
            port: host.port,
        },
        vhost: broker.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(broker.heartbeat_seconds),
            auth_mechanism: Some(mechanism),
            ..AMQPQueryString::default()
        },
    }
}

impl Session {
    /// Connects to a node and declares the exchange.
    ///
    /// # Errors
    /// A sentence saying why not.
    pub async fn open(broker: &Broker, host: &Host, exchange: &str) -> Done<Self> {
        let opened = timeout(PATIENCE, Self::open_in_time(broker, host, exchange)).await;
        let late = |_| format!("it did not answer in {} seconds", PATIENCE.as_secs());
        opened.map_err(late).flatten().map_err(|why| format!("{host:?}: {why}"))
    }

    async fn open_in_time(broker: &Broker, host: &Host, exchange: &str) -> Done<Self> {
        let connector = match &broker.tls {
            Some(tls) => Some(tls::connector(tls.clone()).await?),
            None => None,
        };
        let name = host.name.clone();
        let connect = async move |uri: AMQPUri, runtime| {
            let stream = uri.connect_async(&runtime).await?;
            match &connector {
                Some(connector) => Ok(stream.into_openssl(connector, &name).await?),
                None => Ok(stream),
            }
        };
        let named = format!("vitrine:{}:{}", std::process::id(), uuid::Uuid::new_v4());
        let properties = ConnectionProperties::default().with_connection_name(named.into());
        let runtime = default_runtime().map_err(|e| e.to_string())?;
        let connection = Connection::connector(uri(broker, host), runtime, connect, properties)
            .await
            .map_err(|e| e.to_string())?;
        let channel = opened(&connection).await.map_err(|e| e.to_string())?;
        let mut session = Self {
            connection,
            channel,
            exchange: exchange.to_owned(),
            durable: AtomicBool::new(broker.durable),
            broker: broker.clone(),
            declared: Mutex::default(),
        };
        session.declare_exchange().await.map_err(|e| e.to_string())?;
        Ok(session)
    }

    /// Whether it may still be used.
    pub fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Says goodbye, but does not insist on an answer.
    pub async fn close(self) {
        let closed = self.connection.close(200, "OK".into());
        drop(timeout(Duration::from_secs(1), closed).await);
    }

    async fn declare_exchange(&mut self) -> lapin::Result<()> {
        match self.try_exchange().await {
            Err(error) if is_inequivalent(&error) && self.durable.swap(false, Ordering::Relaxed) => {
                tracing::warn!(
                    exchange = self.exchange,
                    "the exchange is there and not durable; it is used as it is"
                );
                self.channel = opened(&self.connection).await?;
                self.try_exchange().await
            }
            other => other,
        }
    }

    async fn try_exchange(&self) -> lapin::Result<()> {
        let options = ExchangeDeclareOptions {
            durable: self.durable.load(Ordering::Relaxed),
            auto_delete: self.broker.auto_delete,
            ..ExchangeDeclareOptions::default()
        };
        let (name, kind) = (self.exchange.as_str().into(), ExchangeKind::Topic);
        self.channel.exchange_declare(name, kind, options, FieldTable::default()).await
    }

    /// Declares the queue of a routing key, once, so that what nobody listens to yet is kept.
    async fn declare_queue(&self, key: &str) -> lapin::Result<()> {
        let mut declared = self.declared.lock().await;
        if declared.contains(key) {
            return Ok(());
        }
        let options = QueueDeclareOptions {
            durable: self.durable.load(Ordering::Relaxed),
            auto_delete: self.broker.auto_delete,
            ..QueueDeclareOptions::default()
        };
        self.channel.queue_declare(key.into(), options, self.arguments()).await?;
        let exchange = self.exchange.as_str().into();
        let none = FieldTable::default();
        self.channel.queue_bind(key.into(), exchange, key.into(), QueueBindOptions::default(), none).await?;
        declared.insert(key.to_owned());
        Ok(())
    }

    fn arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        let text = |text: &str| AMQPValue::LongString(text.into());
        if self.broker.ha {
            arguments.insert("x-ha-policy".into(), text("all"));
        }
        if let Some(limits) = &self.broker.quorum {
            arguments.insert("x-queue-type".into(), text("quorum"));
            for (name, number) in limits {
                arguments.insert((*name).into(), AMQPValue::LongLongInt(*number));
            }
        }
        arguments
    }

    /// Sends a message, and waits until the broker says that it has it.
    ///
    /// # Errors
    /// Why it may not have it.
    pub async fn publish(&self, key: &str, body: String) -> Result<(), Fault> {
        self.declare_queue(key).await.map_err(|e| Fault::Link(e.to_string()))?;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_delivery_mode(2)
            .with_priority(0);
        let mut headers = FieldTable::default();
        let body = match self.broker.compression {
            None => body.into_bytes(),
            Some(compression) => {
                let refused = |e: std::io::Error| Fault::Refused(e.to_string());
                let (name, body) = compressed(compression, body.as_bytes()).map_err(refused)?;
                headers.insert("compression".into(), AMQPValue::LongString(name.into()));
                body
            }
        };
        let (exchange, options) = (self.exchange.as_str().into(), BasicPublishOptions::default());
        let properties = properties.with_headers(headers);
        let sent = self.channel.basic_publish(exchange, key.into(), options, &body, properties).await;
        let confirmed = sent.map_err(|e| fault(&e))?.await.map_err(|e| fault(&e))?;
        match confirmed.is_ack() {
            true => Ok(()),
            false => Err(Fault::NotTaken("the broker did not take a message".to_owned())),
        }
    }
}

/// A channel on which the broker confirms messages.
async fn opened(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// What the error of a message says: of one that is too large a broker closes the channel.
fn fault(error: &lapin::Error) -> Fault {
    let is_of_the_message = match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(
            error.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::CONTENTTOOLARGE)
        ),
        _ => false,
    };
    if is_of_the_message { Fault::Refused(error.to_string()) } else { Fault::Link(error.to_string()) }
}

/// Whether something is there already that is declared otherwise.
fn is_inequivalent(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
        }
        _ => false,
    }
}

/// A compressed body, and what kombu calls that.
fn compressed(compression: Compression, body: &[u8]) -> std::io::Result<(&'static str, Vec<u8>)> {
    Ok(match compression {
        Compression::Gzip => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(body)?;
            ("application/x-gzip", writer.finish()?)
        }
        Compression::Bzip2 => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            writer.write_all(body)?;
            ("application/x-bz2", writer.finish()?)
        }
    })
}
