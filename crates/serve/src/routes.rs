//! The addresses of the server.

use crate::error::{ApiError, Refused};
use crate::generate::Prepared;
use crate::key::ApiKey;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::request::{ChatRequest, CompletionRequest, Sending};
use crate::stream::Stream;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{FutureExt, stream};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const COMPLETIONS: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";
const MODEL: &str = "/v1/models/{*name}";
const HEALTH: &str = "/health";
const METRICS: &str = "/metrics";
/// Time for the whole body of a request.
const BODY_TIME: Duration = Duration::from_secs(60);

/// The parts that all requests share.
pub(crate) struct Shared {
    pub(crate) models: Models,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) key: Option<ApiKey>,
    /// One permit for each request that may be open.
    pub(crate) queue: Arc<Semaphore>,
    pub(crate) limits: Limits,
}

/// Limits of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests that may be open at once.
    pub(crate) queue: usize,
    /// Bytes of a body.
    pub(crate) body: usize,
    /// New tokens of a completion.
    pub(crate) new_tokens: usize,
}

/// An admitted request. Dropping it admits another one.
struct Admitted {
    shared: Arc<Shared>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.shared.metrics.took(self.since.elapsed());
    }
}

/// The routes with what holds for all of them.
pub(crate) fn routes(shared: &Arc<Shared>) -> Router {
    let no_route = || async { ApiError::new(Refused::NotFound, "there is nothing at this address; the interface begins at /v1") };
    let no_method = || async { ApiError::new(Refused::Method, "this address does not take this method") };
    let router = Router::new()
        .route(COMPLETIONS, post(completions))
        .route(CHAT, post(chat))
        .route(MODELS, get(models))
        .route(MODEL, get(model))
        .route(HEALTH, get(|| async { "ok\n" }))
        .route(METRICS, get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method);
    guarded(router, shared)
}

/// The routes behind [`guard`].
fn guarded(routes: Router<Arc<Shared>>, shared: &Arc<Shared>) -> Router {
    routes.layer(from_fn_with_state(Arc::clone(shared), guard)).with_state(Arc::clone(shared))
}

/// Checks the key, counts the answer, and turns a panic into an answer.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let route = [COMPLETIONS, CHAT, MODELS, HEALTH, METRICS].into_iter().find(|route| *route == path).unwrap_or("other");
    let header = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let is_allowed = route == HEALTH || shared.key.as_ref().is_none_or(|key| key.is_in(header));
    let response = if is_allowed {
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            log::error!("the handler of {route} failed");
            ApiError::new(Refused::Failed, "the server failed; its log says why").into_response()
        })
    } else {
        ApiError::new(Refused::Unauthorized, "the API key is missing or wrong; send it as `Authorization: Bearer KEY`").into_response()
    };
    shared.metrics.answered(route, response.status().as_u16());
    response
}

impl Shared {
    /// Admits a request if there is room for it.
    fn admit(self: &Arc<Self>) -> Result<Admitted, ApiError> {
        let Ok(permit) = Arc::clone(&self.queue).try_acquire_owned() else {
            let message = format!("{} requests are open, and this server takes no more; send the request again later", self.limits.queue);
            return Err(ApiError::new(Refused::Busy, message));
        };
        Ok(Admitted { shared: Arc::clone(self), since: Instant::now(), _permit: permit })
    }

    /// The whole body of a request.
    async fn body(&self, request: Request) -> Result<Bytes, ApiError> {
        let is_json =
            |value: &HeaderValue| value.to_str().is_ok_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/json"));
        // A page in a browser cannot send this type to another origin without asking first.
        if !request.headers().get(CONTENT_TYPE).is_some_and(is_json) {
            return Err(ApiError::new(Refused::Invalid, "the header Content-Type must be application/json"));
        }
        match tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), self.limits.body)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) if is_length_error(&error) => {
                let message =
                    format!("the body of the request has more than {} bytes, which is the limit of this server", self.limits.body);
                Err(ApiError::new(Refused::TooLarge, message))
            }
            Ok(Err(error)) => Err(ApiError::new(Refused::Invalid, format!("the body of the request broke off: {error}"))),
            Err(_) => Err(ApiError::new(Refused::TooSlow, format!("the body of the request took more than {} s", BODY_TIME.as_secs()))),
        }
    }
}

/// `to_bytes` reports an exceeded limit as an error with this cause.
fn is_length_error(error: &axum::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.to_string().contains("length limit"))
}

async fn completions(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let admitted = shared.admit()?;
    let request = CompletionRequest::read(&shared.body(request).await?)?;
    let sampling = &request.sampling;
    let (entry, engine) = shared.models.get(sampling.model.as_deref(), sampling.weights_sha256.as_deref()).await?;
    let longest = shared.limits.new_tokens;
    answer(admitted, move || Prepared::completion(engine, &entry.name, request, longest)).await
}

async fn chat(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, ApiError> {
    let admitted = shared.admit()?;
    let request = ChatRequest::read(&shared.body(request).await?)?;
    let sampling = &request.sampling;
    let (entry, engine) = shared.models.get(sampling.model.as_deref(), sampling.weights_sha256.as_deref()).await?;
    let longest = shared.limits.new_tokens;
    answer(admitted, move || Prepared::chat(engine, &entry.name, request, longest)).await
}

/// Prepares a request on a thread that may be busy for a while, and answers it.
async fn answer(admitted: Admitted, prepare: impl FnOnce() -> Result<Prepared, ApiError> + Send + 'static) -> Result<Response, ApiError> {
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let prepared = prepared.map_err(|_| ApiError::new(Refused::Failed, "the server failed; its log says why"))??;
    let tokens: usize = prepared.prompts.iter().map(Vec::len).sum();
    admitted.shared.metrics.prompt_tokens.fetch_add(tokens as u64, std::sync::atomic::Ordering::Relaxed);
    if prepared.sampling.sending == Sending::Whole {
        let body = prepared.begin(false)?.whole().await?;
        drop(admitted);
        return Ok(typed("application/json", Body::from(body)));
    }
    let state = Stream::new(prepared.begin(true)?, admitted);
    let events = stream::unfold(state, |mut state| async move {
        let data = state.next().await?;
        Some((Ok::<_, Infallible>(format!("data: {data}\n\n")), state))
    });
    let mut response = typed("text/event-stream", Body::from_stream(events));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn typed(kind: &'static str, body: Body) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    let list: Vec<Value> = shared.models.catalog.entries().iter().map(|entry| described(&entry.name, &entry.directory, None)).collect();
    typed("application/json", Body::from(json!({ "object": "list", "data": list }).to_string()))
}

/// One model. It is loaded, so that its digest is known.
async fn model(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let _admitted = shared.admit()?;
    let known = |name: &str| shared.models.catalog.find(Some(name)).is_some();
    // The first slash of an absolute path separates the route from the name.
    let name = if known(&name) { name } else { format!("/{name}") };
    let (entry, engine) = shared.models.get(Some(&name), None).await?;
    Ok(typed("application/json", Body::from(described(&entry.name, &entry.directory, Some(&engine.sha256)).to_string())))
}

fn described(name: &str, directory: &std::path::Path, sha256: Option<&str>) -> Value {
    let mut model = json!({ "id": name, "object": "model", "created": 0, "owned_by": "starloop", "root": directory });
    if let Some(sha256) = sha256 {
        model["weights_sha256"] = sha256.into();
    }
    model
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let open = shared.limits.queue - shared.queue.available_permits();
    typed("text/plain; version=0.0.4", Body::from(shared.metrics.text(open)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Limits, Shared, guarded};
    use crate::catalog::Catalog;
    use crate::metrics::Metrics;
    use crate::models::Models;
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::{Request, State};
    use axum::http::StatusCode;
    use axum::routing::get;
    use serde_json::Value;
    use starloop_lm::engine::EngineLimits;
    use std::sync::Arc;
    use tokio::sync::Semaphore;
    use tower::ServiceExt;

    async fn panics(State(shared): State<Arc<Shared>>) {
        let Ok(_admitted) = shared.admit() else { unreachable!("there is room for one") };
        panic!("injected")
    }

    #[test]
    fn a_panic_in_a_handler_is_an_answer_with_status_500() {
        let metrics = Arc::new(Metrics::default());
        let models = Models::new(Catalog::default(), EngineLimits::default(), 1, Arc::clone(&metrics));
        let limits = Limits { queue: 1, body: 1, new_tokens: 1 };
        let shared = Arc::new(Shared { models, metrics, key: None, queue: Arc::new(Semaphore::new(1)), limits });
        let routes = Router::new().route("/panics", get(panics));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let request = Request::get("/panics").body(Body::empty()).unwrap();
            let response = guarded(routes, &shared).oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 16).await.unwrap()).unwrap();
            assert_eq!(body["error"]["message"], "the server failed; its log says why");
        });
        assert_eq!(shared.queue.available_permits(), 1, "the request left the queue");
        assert!(shared.metrics.text(0).contains("status=\"500\""), "{}", shared.metrics.text(0));
    }
}
