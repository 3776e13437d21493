//! The shapes of documents, for the OpenAPI description alone: what is really sent is built in `document` and `error`.

use utoipa::ToSchema;

/// A request as a JSON:API document.
#[derive(ToSchema)]
pub struct RequestDocument<T: ToSchema> {
    /// The resource to be made or changed.
    pub data: RequestResource<T>,
}

/// The resource of a request.
#[derive(ToSchema)]
pub struct RequestResource<T: ToSchema> {
    /// The type the route takes.
    #[schema(rename = "type")]
    pub kind: String,
    /// Ignored.
    pub id: Option<String>,
    /// What `application/json` carries bare.
    pub attributes: T,
}

/// An answer with one resource.
#[derive(ToSchema)]
pub struct ResourceDocument<T: ToSchema> {
    /// The resource.
    pub data: ResourceObject<T>,
}

/// An answer with a page of resources.
#[derive(ToSchema)]
pub struct ListDocument<T: ToSchema> {
    /// The resources.
    pub data: Vec<ResourceObject<T>>,
    /// Where the next page is.
    pub links: PageLinks,
}

/// A resource.
#[derive(ToSchema)]
pub struct ResourceObject<T: ToSchema> {
    /// What it is.
    #[schema(rename = "type")]
    pub kind: String,
    /// Which.
    pub id: String,
    /// Its facts.
    pub attributes: T,
}

/// Links of a page.
#[derive(ToSchema)]
pub struct PageLinks {
    /// The page after this one; absent on the last.
    pub next: Option<String>,
}

/// What every 4xx and 5xx answer is.
#[derive(ToSchema)]
pub struct ErrorDocument {
    /// Every problem of the request.
    #[schema(min_items = 1)]
    pub errors: Vec<ErrorObject>,
}

/// One problem.
#[derive(ToSchema)]
pub struct ErrorObject {
    /// The request's id, also in `X-Request-Id`.
    pub id: String,
    /// The HTTP status.
    #[schema(pattern = "^[45][0-9]{2}$")]
    pub status: String,
    /// One of the documented codes.
    #[schema(pattern = "^[A-Z_]+$")]
    pub code: String,
    /// The same for every occurrence of the code, in English.
    pub title: String,
    /// What happened this time, in the language of `Content-Language`.
    pub detail: String,
    /// Where in the request it lies.
    pub source: Option<ErrorSource>,
    /// Facts for programs.
    #[schema(value_type = Option<Object>)]
    pub meta: Option<serde_json::Value>,
}

/// Where in the request a problem lies: one of these.
#[derive(ToSchema)]
pub struct ErrorSource {
    /// A JSON pointer into the body.
    pub pointer: Option<String>,
    /// A query parameter.
    pub parameter: Option<String>,
    /// A header.
    pub header: Option<String>,
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn documents_carry_the_attributes_of_their_resource() {
        let schema = serde_json::to_value(ResourceObject::<PageLinks>::schema()).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["type", "id", "attributes"]));
        let request = serde_json::to_value(RequestResource::<PageLinks>::schema()).unwrap();
        assert_eq!(request["required"], serde_json::json!(["type", "attributes"]));
        assert_eq!(ResourceDocument::<PageLinks>::name(), "ResourceDocument");
    }
}
