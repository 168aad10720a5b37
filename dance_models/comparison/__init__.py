"""Two performances of one choreography: what is late, and what is shaped differently."""
