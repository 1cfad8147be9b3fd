//! A small Barbican, in the process of the test: secrets of projects, and what was asked of it. And publishers, who sign
//! data and keep their certificates there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    sign::Signer,
    x509::{X509Builder, X509NameBuilder},
};
use serde_json::{Value, json};
use vitrine::{key_manager, server::Options};

use super::NewImage;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    #[default]
    Good,
    /// With a status and nothing.
    Status(u16),
    /// With something that is no JSON.
    Garbage,
    /// Without an end.
    Endless,
    /// It accepts, and says nothing.
    Silent,
}

/// A secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its project.
    pub project: String,
    /// Its type.
    pub kind: String,
    /// What it keeps.
    pub payload: Vec<u8>,
    /// Who has registered as its user.
    pub consumers: Vec<Value>,
}

#[derive(Default)]
struct State {
    secrets: BTreeMap<String, Secret>,
    asked: Vec<String>,
    heads: Vec<String>,
    mood: Mood,
}

/// A running Barbican; it ends with the test process.
#[derive(Clone)]
pub struct Barbican {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Barbican {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let barbican = Self { address, state: Arc::default() };
        let shared = barbican.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let barbican = shared.clone();
                // A client that cuts the connection is what some tests are about.
                std::thread::spawn(move || drop(barbican.serve(stream)));
            }
        });
        barbican
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Settings with its address, and patience for a test.
    pub fn settings(&self) -> key_manager::Settings {
        key_manager::Settings { endpoint: Some(self.url()), ..key_manager::Settings::default() }
    }

    /// Makes it the key manager of a server.
    pub fn of(&self, options: &mut Options) {
        options.key_manager = Some(self.settings());
    }

    /// Answers so from now on.
    pub fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Keeps a secret of a project; its id.
    pub fn keeps(&self, project: &str, kind: &str, payload: &[u8]) -> String {
        let id = super::builders::fresh_id();
        let (project, kind, payload) = (project.to_owned(), kind.to_owned(), payload.to_vec());
        self.state().secrets.insert(id.clone(), Secret { project, kind, payload, consumers: Vec::new() });
        id
    }

    /// A secret, if it is there.
    pub fn secret(&self, id: &str) -> Option<Secret> {
        self.state().secrets.get(id).cloned()
    }

    /// Registers somebody else as user of a secret.
    pub fn is_used(&self, id: &str) {
        let other = json!({"service": "other", "resource_type": "thing", "resource_id": "1"});
        self.state().secrets.get_mut(id).unwrap().consumers.push(other);
    }

    /// What was asked since the last time: methods and paths.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    /// The heads of all requests, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.state().heads.clone()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut first, mut head) = (String::new(), String::new());
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? <= 2 {
                break;
            }
            head.push_str(&line);
        }
        let lower = head.to_lowercase();
        let length =
            lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mood = {
            let mut state = self.state();
            state.asked.push(format!("{method} {path}"));
            state.heads.push(lower);
            state.mood
        };
        let (status, body) = match mood {
            Mood::Good => self.answer(method, path, &head, &body),
            Mood::Status(status) => (status, b"{}".to_vec()),
            Mood::Garbage => (200, b"<html>".to_vec()),
            Mood::Endless => {
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 65_536])?;
                }
            }
            Mood::Silent => {
                std::thread::sleep(Duration::from_secs(60));
                return Ok(());
            }
        };
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body)
    }

    fn answer(&self, method: &str, path: &str, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let Some(token) = head.lines().find_map(token_in) else {
            return (401, b"{}".to_vec());
        };
        if path == "/v3/auth/catalog" {
            let endpoint = json!({"interface": "internal", "region_id": "One", "url": self.url()});
            let catalog = json!({"catalog": [{"type": "key-manager", "endpoints": [endpoint]}]});
            return (200, catalog.to_string().into_bytes());
        }
        let mut state = self.state();
        let Some((id, below)) =
            path.strip_prefix("/v1/secrets/").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        else {
            return (404, b"{}".to_vec());
        };
        let Some(secret) = state.secrets.get_mut(id) else { return (404, b"{}".to_vec()) };
        if !token.contains(&format!("\"project\":\"{}\"", secret.project)) {
            return (403, b"{}".to_vec());
        }
        match (method, below) {
            ("GET", "") => {
                let media = json!({"default": "application/octet-stream"});
                let consumers = &secret.consumers;
                let record =
                    json!({"secret_type": secret.kind, "content_types": media, "consumers": consumers});
                (200, record.to_string().into_bytes())
            }
            ("GET", "payload") => (200, secret.payload.clone()),
            ("DELETE", "") => {
                state.secrets.remove(id);
                (204, Vec::new())
            }
            ("POST", "consumers") => {
                secret.consumers.push(serde_json::from_slice(body).unwrap());
                (200, b"{}".to_vec())
            }
            ("DELETE", "consumers") => {
                let consumer: Value = serde_json::from_slice(body).unwrap();
                let before = secret.consumers.len();
                secret.consumers.retain(|other| *other != consumer);
                (if secret.consumers.len() < before { 200 } else { 404 }, b"{}".to_vec())
            }
            _ => (405, b"{}".to_vec()),
        }
    }
}

fn token_in(line: &str) -> Option<&str> {
    Some(line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("x-auth-token"))?.1)
}

/// Somebody who signs data with a key on the curve secp384r1, and has a certificate for it.
pub struct Publisher {
    key: PKey<Private>,
    /// In PEM, valid for a day.
    pub certificate: Vec<u8>,
}

impl Publisher {
    pub fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "publisher").unwrap();
        let name = name.build();
        let mut builder = X509Builder::new().unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        let now = super::now().0 / 1_000_000;
        builder.set_not_before(&Asn1Time::from_unix(now - 3600).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::from_unix(now + 86_400).unwrap()).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build().to_pem().unwrap(), key }
    }

    /// The properties of an image with this data, whose certificate has this id.
    pub fn signs(&self, data: &[u8], certificate: &str) -> [(&'static str, String); 4] {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        [
            ("img_signature", STANDARD.encode(signer.sign_oneshot_to_vec(data).unwrap())),
            ("img_signature_hash_method", "SHA-256".to_owned()),
            ("img_signature_key_type", "ECC_SECP384R1".to_owned()),
            ("img_signature_certificate_uuid", certificate.to_owned()),
        ]
    }
}

/// An image with these properties.
pub fn with_all(image: NewImage, properties: &[(&'static str, String)]) -> NewImage {
    properties.iter().fold(image, |image, (name, value)| image.with(name, value.as_str()))
}
