"""Login by OpenID Connect: the authorisation code flow with PKCE, state and nonce, of one provider.

Ours and not allauth's, whose provider sends no nonce, takes the ID token's signature on trust, and asks the provider
anew at every step. `provider` speaks to it, `tokens` judges what it says, `claims` reads it, `flow` remembers in the
session what was asked, and `entry` decides who that is here.
"""
