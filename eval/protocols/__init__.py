"""Public test protocols for behaviour: noise, refusal, conflicting sources, injected instructions, conversation."""
