//! Routes that know their methods, so that a wrong one gets 405 with a true `Allow`.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, guard, web};

use super::{ApiError, BodyCap};

/// One path and its methods. Register it with `service`, like a [`Resource`].
#[must_use = "an endpoint serves nothing until it is registered"]
pub struct Endpoint {
    resource: Resource,
    allow: Vec<&'static str>,
}

/// A path, relative to its scope.
pub fn endpoint(path: &str) -> Endpoint {
    Endpoint { resource: web::resource(path), allow: Vec::new() }
}

impl Endpoint {
    /// Serves GET, and HEAD with the same headers.
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allow.extend(["GET", "HEAD"]);
        let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
        self.resource = self.resource.route(route.to(handler));
        self
    }

    /// Serves POST.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("POST", web::post().to(handler))
    }

    /// Serves PUT.
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("PUT", web::put().to(handler))
    }

    /// Serves PATCH.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("PATCH", web::patch().to(handler))
    }

    /// Serves DELETE.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route("DELETE", web::delete().to(handler))
    }

    /// Takes no larger bodies than this, in bytes.
    pub fn body_cap(mut self, bytes: usize) -> Self {
        self.resource = self.resource.app_data(BodyCap(bytes));
        self
    }

    fn route(mut self, method: &'static str, route: Route) -> Self {
        self.allow.push(method);
        self.resource = self.resource.route(route);
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
