//! Routes that know their methods, so that a wrong one gets 405 with a true `Allow`.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, guard, web};

use super::{ApiError, BodyCap, Code, NoQuery};
use crate::authorization::{Rule, rules_of};

/// One path and its methods. Register it with `service`, like a [`Resource`].
#[must_use = "an endpoint serves nothing until it is registered"]
pub struct Endpoint {
    resource: Resource,
    allow: Vec<&'static str>,
    /// Who may use it; `None` where nobody asks.
    rules: Option<Declared>,
}

/// The rules of the path of a request.
#[derive(Clone)]
pub struct Declared(Vec<&'static Rule>);

impl Declared {
    /// The rule of a method.
    pub fn of(&self, method: &str) -> Option<&'static Rule> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.0.iter().copied().find(|rule| rule.method == method)
    }
}

/// A path, relative to its scope, for which nothing is declared: for what is no part of the service, like the tools of
/// `keystead dev`.
pub fn endpoint(path: &str) -> Endpoint {
    Endpoint { resource: web::resource(path), allow: Vec::new(), rules: None }
}

/// A path below `scope`, for whom [`crate::authorization`] says. A method that is not declared is refused to everybody.
pub fn declared(scope: &str, path: &str) -> Endpoint {
    let rules = Declared(rules_of(&format!("{scope}{path}")));
    let resource = web::resource(path).app_data(rules.clone());
    Endpoint { resource, allow: Vec::new(), rules: Some(rules) }
}

/// Answers where nobody said whom a route is for.
async fn undeclared() -> Result<HttpResponse, ApiError> {
    Err(Code::FORBIDDEN.into())
}

impl Endpoint {
    /// Serves GET, and HEAD with the same headers.
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allow.push("GET");
        let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
        self.route("HEAD", route, handler)
    }

    /// Serves POST, without a query string.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.without_query("POST", web::post(), handler)
    }

    /// Serves POST to a handler that reads the query string.
    pub fn post_with_query<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("POST", web::post(), handler)
    }

    /// Serves PUT, without a query string.
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.without_query("PUT", web::put(), handler)
    }

    /// Serves PATCH, without a query string.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.without_query("PATCH", web::patch(), handler)
    }

    /// Serves DELETE, without a query string.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.without_query("DELETE", web::delete(), handler)
    }

    /// Takes no larger bodies than this, in bytes.
    pub fn body_cap(mut self, bytes: usize) -> Self {
        self.resource = self.resource.app_data(BodyCap(bytes));
        self
    }

    /// Whoever sends parameters to a route that changes something and reads none would have meant something else: `DELETE
    /// /sessions?user=…` ends the caller's own sessions. It is refused before anything is done.
    fn without_query<F, Args>(self, method: &'static str, route: Route, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(method, route, move |_: NoQuery, args: Args| handler.call(args))
    }

    fn route<F, Args>(mut self, method: &'static str, route: Route, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allow.push(method);
        let known = self.rules.as_ref().is_none_or(|rules| rules.of(method).is_some());
        self.resource = self.resource.route(if known { route.to(handler) } else { route.to(undeclared) });
        self
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let allow = self.allow.join(", ");
        let refuse = move || {
            let error = ApiError::method_not_allowed(&allow);
            async move { Err::<HttpResponse, _>(error) }
        };
        self.resource.default_service(web::to(refuse)).register(config);
    }
}

/// The name of a method in metrics and logs: a client cannot make up new ones.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests;
