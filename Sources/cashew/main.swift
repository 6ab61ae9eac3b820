// Only a call: closures written in main.swift belong to the main actor, and trap on any other
// thread.
terminate(status: execute())
