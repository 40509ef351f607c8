"""Public protocols of behaviour: noise, refusal, conflict, attacks, conversation."""
