//! Administrators, and what they do to other people's accounts.

use keystead_api_actix::services::Services;
use keystead_application::operation::AddUserCommand;
use keystead_domain::SecretString;
use keystead_domain::account::{EmailAddress, Role};
use reqwest::Method;
use serde_json::{Value, json};

use super::actors::{Anonymous, PASSWORD, SignedIn};
use super::factors::Authenticator;
use super::http::{Answer, Reply};
use super::mailbox::Mail;
use super::service::Service;

/// Adds an account with [`PASSWORD`], as `keystead user add` does.
pub async fn add_account(operator: &Services, email: &str, role: Role) {
    let command = AddUserCommand {
        email: EmailAddress::try_new(email).unwrap(),
        username: None,
        full_name: None,
        role,
        password: Some(SecretString::new(PASSWORD.to_owned())),
    };
    operator.operator.add(command).await.unwrap();
}

impl Service {
    /// An administrator whom an operator made, signed in at a native client, with a step-up proof.
    pub async fn administrator(&self, role: Role) -> SignedIn {
        self.administrator_at(&self.native(), &format!("{role}@example.com"), role).await.0
    }

    /// The same at this client, under this address; and their authenticator program.
    pub async fn administrator_at(&self, client: &Anonymous, email: &str, role: Role) -> (SignedIn, Authenticator) {
        add_account(&*self.other_process().await, email, role).await;
        let person = client.login(email, PASSWORD).await.unwrap();
        self.proved_by_mail(&person, email).await.enrol(self).await
    }

    /// Somebody with a proof that they read their mail: administrators show one before their first factor.
    pub async fn proved_by_mail(&self, person: &SignedIn, email: &str) -> SignedIn {
        let had = self.mails(email).await.iter().filter_map(Mail::code).count();
        person.ask_step_up("email").await.unwrap();
        let code = self.codes(email, had + 1).await.remove(had);
        person.step_up(&code).await.unwrap()
    }
}

impl SignedIn {
    /// Changes an account.
    pub async fn change_user(&self, id: &str, attributes: &Value) -> Answer<Value> {
        let reply = self.call(Method::PATCH, &format!("/admin/users/{id}")).json(attributes).send().await;
        Ok(reply.ok(200)?.attributes())
    }

    /// Closes an account.
    pub async fn ban(&self, id: &str) -> Answer<Value> {
        self.change_user(id, &json!({ "isActive": false })).await
    }

    /// Changes what an account may do.
    pub async fn set_role(&self, id: &str, role: Role) -> Answer<Value> {
        self.change_user(id, &json!({ "role": role.as_str() })).await
    }

    async fn admin_delete(&self, route: &str) -> Answer<()> {
        self.call(Method::DELETE, &format!("/admin{route}")).send().await.ok(204).map(drop)
    }

    /// Deletes an account.
    pub async fn delete_user(&self, id: &str) -> Answer<()> {
        self.admin_delete(&format!("/users/{id}")).await
    }

    /// Ends somebody's session.
    pub async fn end_session_of_somebody(&self, session: &str) -> Answer<()> {
        self.admin_delete(&format!("/sessions/{session}")).await
    }

    /// Ends all sessions of a person.
    pub async fn end_sessions_of(&self, id: &str) -> Answer<()> {
        self.admin_delete(&format!("/users/{id}/sessions")).await
    }

    /// Ends every session there is.
    pub async fn end_everybodys_sessions(&self) -> Answer<()> {
        self.admin_delete("/sessions").await
    }

    /// Asks to act as somebody.
    pub async fn impersonate_reply(&self, id: &str, attributes: &Value) -> Reply {
        self.call(Method::POST, &format!("/admin/users/{id}/impersonations")).json(attributes).send().await
    }

    /// Acts as somebody: with the token, and with this client's own identifier and cookies.
    ///
    /// # Panics
    /// When the answer holds more than the token.
    pub async fn impersonate(&self, user: &Self, reason: &str) -> Answer<Self> {
        let reply = self.impersonate_reply(&user.user_id(), &json!({ "reason": reason })).await.ok(201)?;
        assert_eq!(super::actors::secrets(self.client.kind, &reply), [const { None }; 3], "nothing but the token");
        assert_eq!((reply.text_of("state").as_deref(), reply.text_of("otpSession")), (Some("authorized"), None));
        let access = reply.text_of("accessToken").unwrap();
        Ok(Self { access, token_id: reply.id(), device: None, proof: None, ..self.clone() })
    }

    /// Every row of the audit log that a query wants (`filter[name]=…`, or nothing), newest first.
    pub async fn audit_events(&self, query: &str) -> Vec<Value> {
        let mut next = Some(format!("/admin/audit-events?page[size]=100&{query}").trim_end_matches('&').to_owned());
        let mut rows = Vec::new();
        while let Some(route) = next {
            let page = self.get(&route).await.unwrap();
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["links"]["next"].as_str().map(|link| link.trim_start_matches("/api/v1").to_owned());
        }
        rows
    }
}
