//! `glance-cache-manage`: manages the cache of a server through the calls of the flavor `cachemanagement`
//! (`glance/cmd/cache_manage.py`).

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use serde_json::{Value, json};

use super::{
    common::parsed,
    remote::{Remote, RemoteError},
};
use crate::{
    model::time::Timestamp,
    outbound::{Method, StatusCode},
    server::{StartError, runtime},
};

const COMMANDS: &str = "Commands:
    list-cached                 List the images that are cached
    list-queued                 List the images that wait to be cached
    queue-image ID              Have an image cached
    delete-cached-image ID      Take an image out of the cache
    delete-all-cached-images    Empty the cache
    delete-queued-image ID      Take an image out of the queue
    delete-all-queued-images    Empty the queue
    help [COMMAND]              Show this";

/// Look after the image cache of a server.
#[derive(Debug, Parser)]
#[command(name = "glance-cache-manage", version, infer_long_args = true, after_help = COMMANDS)]
struct Arguments {
    /// A command, and the id of an image where it wants one.
    #[arg(required = true, num_args = 1..)]
    command: Vec<String>,
    /// Say what was done.
    #[arg(short, long)]
    verbose: bool,
    /// Say more of what went wrong.
    #[arg(short, long)]
    debug: bool,
    /// Address of the server.
    #[arg(short = 'H', long, default_value = "0.0.0.0", value_name = "ADDRESS")]
    host: String,
    /// Port of the server.
    #[arg(short, long, default_value_t = 9292)]
    port: u16,
    /// Do not check certificates.
    #[arg(short = 'k', long)]
    insecure: bool,
    /// Do not ask before something is changed.
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    login: Login,
}

/// Who asks.
#[derive(Debug, clap::Args)]
struct Login {
    #[arg(long, short = 'A', aliases = ["os_auth_token", "auth_token"], env = "OS_AUTH_TOKEN", hide_env_values = true)]
    os_auth_token: Option<String>,
    #[arg(long, short = 'I', alias = "os_username", env = "OS_USERNAME")]
    os_username: Option<String>,
    #[arg(long, short = 'K', alias = "os_password", env = "OS_PASSWORD", hide_env_values = true)]
    os_password: Option<String>,
    #[arg(long, short = 'R', alias = "os_region_name", env = "OS_REGION_NAME", hide = true)]
    os_region_name: Option<String>,
    #[arg(long, alias = "os_project_id", env = "OS_PROJECT_ID")]
    os_project_id: Option<String>,
    #[arg(long, short = 'T', alias = "os_project_name", env = "OS_PROJECT_NAME")]
    os_project_name: Option<String>,
    #[arg(long, env = "OS_USER_DOMAIN_ID")]
    os_user_domain_id: Option<String>,
    #[arg(long, env = "OS_PROJECT_DOMAIN_ID")]
    os_project_domain_id: Option<String>,
    #[arg(long, env = "OS_DOMAIN_ID", default_value = "default")]
    os_domain_id: String,
    #[arg(long, short = 'N', alias = "os_auth_url", env = "OS_AUTH_URL")]
    os_auth_url: Option<String>,
    /// keystone or noauth; keystone where there is an address of one.
    #[arg(long = "os_auth_strategy", short = 'S', value_name = "STRATEGY", env = "OS_AUTH_STRATEGY")]
    os_auth_strategy: Option<String>,
}

impl Login {
    /// A token: the one given, or one that Keystone gives for the password. `None` where nobody asks for one.
    async fn token(&self, verify: bool) -> Result<Option<String>, StartError> {
        let given = self.os_auth_token.clone().or_else(|| std::env::var("OS_TOKEN").ok());
        let Some(url) = self.os_auth_url.as_deref().filter(|url| !url.is_empty()) else {
            if given.is_none() && self.os_auth_strategy.as_deref() == Some("keystone") {
                return Err(StartError("--os-auth-url or OS_AUTH_URL is needed to log in".to_owned()));
            }
            return Ok(given);
        };
        if given.as_deref().is_some_and(|token| !token.is_empty()) {
            return Ok(given);
        }
        let base = url.trim_end_matches('/').trim_end_matches("/v3");
        let keystone = Remote::new(base.to_owned(), None, verify)?;
        let answer = keystone.send(keystone.call(Method::POST, "/v3/auth/tokens").json(&self.body())).await?;
        let token = answer.headers().get("X-Subject-Token").and_then(|token| token.to_str().ok());
        Ok(Some(
            token.ok_or_else(|| StartError("the answer of Keystone has no token".to_owned()))?.to_owned(),
        ))
    }

    fn body(&self) -> Value {
        let domain = |named: &Option<String>| json!({"id": named.as_ref().unwrap_or(&self.os_domain_id)});
        let user = json!({
            "name": self.os_username, "password": self.os_password, "domain": domain(&self.os_user_domain_id)
        });
        let project = match self.os_project_id.as_ref().filter(|id| !id.is_empty()) {
            Some(id) => json!({"id": id}),
            None => json!({"name": self.os_project_name, "domain": domain(&self.os_project_domain_id)}),
        };
        json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": project}
        }})
    }
}

/// A command: what it is asked for, the call that it makes, and what it is about.
struct Task {
    question: Option<String>,
    method: Method,
    path: String,
    does: &'static str,
}

/// Runs it. The exit code is 1 for whatever goes wrong.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Arguments = parsed(arguments);
    if arguments.command.first().is_some_and(|word| word == "help") {
        println!("{COMMANDS}");
        return ExitCode::SUCCESS;
    }
    let task = match task(&arguments.command) {
        Ok(task) => task,
        Err(fault) => {
            println!("{fault}");
            return ExitCode::FAILURE;
        }
    };
    let asks = task.question.as_ref().filter(|_| !arguments.force);
    if asks.is_some_and(|question| !confirmed(question)) {
        return ExitCode::SUCCESS;
    }
    match runtime().and_then(|runtime| runtime.block_on(act(&arguments, &task))) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("Failed to {}. Got error:\n{error}", task.does);
            ExitCode::FAILURE
        }
    }
}

fn task(words: &[String]) -> Result<Task, String> {
    let name = words.first().map_or("", String::as_str);
    let (method, collection, does) = match name {
        "list-cached" => (Method::GET, "cached_images", "show cached images"),
        "list-queued" => (Method::GET, "queued_images", "show queued images"),
        "queue-image" => (Method::PUT, "queued_images", "queue the image"),
        "delete-cached-image" => (Method::DELETE, "cached_images", "delete the cached image"),
        "delete-all-cached-images" => (Method::DELETE, "cached_images", "delete all cached images"),
        "delete-queued-image" => (Method::DELETE, "queued_images", "delete the queued image"),
        "delete-all-queued-images" => (Method::DELETE, "queued_images", "delete all queued images"),
        other => return Err(format!("Unknown command: {other}\n{COMMANDS}")),
    };
    let mut path = format!("/v2/{collection}");
    let mut about = String::new();
    if name.ends_with("-image") {
        let [_, id] = words else {
            return Err(format!("Give the ID of the image as the first and only argument of '{name}'."));
        };
        if uuid::Uuid::parse_str(id).is_err() {
            return Err(format!("Image ID '{id}' is not a valid UUID."));
        }
        path = format!("{path}/{id}");
        about = format!(": {id}");
    }
    let changes = method != Method::GET;
    let question = changes.then(|| format!("Really {does}{about}?"));
    Ok(Task { question, method, path, does })
}

/// Asks on the terminal; silence is no.
fn confirmed(question: &str) -> bool {
    print!("{question} [y/N] ");
    let mut answer = String::new();
    if io::stdout().flush().is_err() || io::stdin().read_line(&mut answer).is_err() {
        return false;
    }
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

async fn act(arguments: &Arguments, task: &Task) -> Result<String, StartError> {
    let verify = !arguments.insecure;
    let token = arguments.login.token(verify).await?;
    let base = format!("http://{}:{}", arguments.host, arguments.port);
    let server = Remote::new(base, token, verify)?;
    let request = server.call(task.method.clone(), &task.path);
    let answered = match task.method {
        Method::GET => server.json(request).await,
        _ => server.send(request).await.map(|_| Value::Null),
    };
    let answer = answered.map_err(|error| match error {
        RemoteError::Status { status: StatusCode::NOT_FOUND, .. } => {
            StartError(format!("Cache management is not enabled on host {}", arguments.host))
        }
        RemoteError::Status { status: StatusCode::FORBIDDEN, .. } => {
            StartError("Not authorized to make this request.".to_owned())
        }
        other => other.into(),
    })?;
    Ok(match (&answer["cached_images"], &answer["queued_images"]) {
        (Value::Array(images), _) => cached(images),
        (_, Value::Array(ids)) => queued(ids),
        _ if arguments.verbose => format!("Done: {}\n", task.does),
        _ => String::new(),
    })
}

fn cached(images: &[Value]) -> String {
    if images.is_empty() {
        return "No cached images.\n".to_owned();
    }
    let when = |value: &Value| match value.as_f64() {
        Some(seconds) if seconds > 0.0 => Timestamp((seconds * 1e6) as i64).isotime(),
        _ => "N/A".to_owned(),
    };
    let rows = images.iter().map(|image| {
        vec![
            image["image_id"].as_str().unwrap_or_default().to_owned(),
            when(&image["last_accessed"]),
            when(&image["last_modified"]),
            image["size"].to_string(),
            image["hits"].to_string(),
        ]
    });
    let head = ["ID", "Last Accessed (UTC)", "Last Modified (UTC)", "Size", "Hits"];
    format!("Found {} cached images...\n{}", images.len(), table(&head, rows.collect()))
}

fn queued(ids: &[Value]) -> String {
    if ids.is_empty() {
        return "No queued images.\n".to_owned();
    }
    let rows = ids.iter().map(|id| vec![id.as_str().unwrap_or_default().to_owned()]);
    format!("Found {} queued images...\n{}", ids.len(), table(&["ID"], rows.collect()))
}

/// A table with borders, as in OpenStack's clients.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, title)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let rule: String =
        widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("| {cell:<width$} "));
        cells.collect::<String>() + "|\n"
    };
    let mut text = rule.clone() + &line(head.to_vec()) + &rule;
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text + &rule
}
