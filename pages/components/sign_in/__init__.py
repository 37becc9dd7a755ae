"""Sign-in by OpenID Connect: who may open the page, with which role, and from where the server may be reached."""
