// What clients of a memcache pool make of the answers.

extension MemcacheKeySpace {
    /// A question that ends with `mn` has all replies up to `MN` as its answer, but for that.
    func read(
        _ reader: inout WireReader, to asked: MemcacheQuestion?
    ) throws(WireReader.Failure) -> [MemcacheReply] {
        guard case .meta(_, isEnded: true) = asked else { return [try reader.memcacheReply()] }
        var replies: [MemcacheReply] = []
        while true {
            let reply = try reader.memcacheReply()
            if reply.isBarrier { return replies }
            replies.append(reply)
            if reply.error == Self.refusal { return replies }
        }
    }

    func summary(of answer: [MemcacheReply]) -> String {
        answer.map(\.summary).joined(separator: ", ")
    }

    mutating func accept(
        _ answer: [MemcacheReply], to asked: MemcacheQuestion, in world: World
    ) -> Bool {
        guard let next = knowing(answer, to: asked, in: world) else { return false }
        self = next
        return true
    }

    /// What is known after an answer; nil if it cannot be the answer.
    private func knowing(
        _ answer: [MemcacheReply], to asked: MemcacheQuestion, in world: World
    ) -> MemcacheKeySpace? {
        if case .meta(let commands, _) = asked {
            return resolve(commands[...], answer[...], takesErrors: false, in: world)
        }
        guard answer.count == 1 else { return nil }
        var next = self
        let isRight =
            switch (asked, answer[0]) {
            case (.get(let reading), .values(let values)):
                next.accept(values, to: reading, in: world)
            case (.statistics(_, let expected), .statistics(let lines)): lines == expected
            case (.exact(_, let expected, _), .line(let line)): line == expected
            case (.everywhere(_, _, let isRemoval, _), .line("OK")):
                !isRemoval || next.acceptRemoval(in: world)
            case (.classic(let command), .line(let line)):
                command.sighting(in: line).map {
                    next.observe(
                        command.action, $0, at: command.key, madeAt: command.madeAt, in: world)
                } ?? false
            default: false
            }
        return isRight ? next : nil
    }

    /// Present keys in order, each as often as it was asked for, and no others.
    private mutating func accept(
        _ values: [MemcacheReply.Value], to reading: MemcacheQuestion.Reading, in world: World
    ) -> Bool {
        var left = values[...]
        for key in reading.keys {
            var sighting = MemcacheSighting(.missing)
            if let value = left.first, areSame(value.key, key) {
                left.removeFirst()
                sighting.outcomes = [.done]
                sighting.data = value.data
                sighting.flags = value.flags
                sighting.version = value.version.flatMap { UInt64($0) }
                guard (sighting.version != nil) == reading.wantsVersions else { return false }
            }
            guard observe(reading.action, sighting, at: key, madeAt: reading.madeAt, in: world)
            else { return false }
        }
        return left.isEmpty
    }

    private mutating func acceptRemoval(in world: World) -> Bool {
        let second = MemcacheClock.second(at: world.clock)
        for key in states.keys {
            let sighting = MemcacheSighting(.done, .missing)
            guard observe(.remove(version: nil), sighting, at: key, madeAt: second, in: world)
            else { return false }
        }
        return true
    }

    /// Takes in what a reply tells of a key. Returns whether it can be right.
    private mutating func observe(
        _ action: MemcacheAction, _ sighting: MemcacheSighting, at key: [UInt8], madeAt: Int,
        in world: World
    ) -> Bool {
        if states[key] == nil {
            guard world.races.observe(action, sighting, at: key, after: versions[key] ?? 0)
            else { return false }
        } else {
            let server = world.servers[world.server(of: key)]
            let moment = MemcacheKeyState.Moment(
                seconds: madeAt...MemcacheClock.second(at: world.clock),
                isSettled: !server.mayFail(since: world.turn + 1),
                mayBeLost: { world.mayBeLost(key, since: $0) })
            guard states[key]!.observe(action, sighting, at: moment) else { return false }
        }
        if let version = sighting.version { versions[key] = version }
        return true
    }

    // MARK: Meta commands

    /// What is known after some replies to some commands, of which quiet ones may have none; nil if
    /// they cannot be the replies.
    private func resolve(
        _ commands: ArraySlice<MetaCommand>, _ replies: ArraySlice<MemcacheReply>,
        takesErrors: Bool, in world: World
    ) -> MemcacheKeySpace? {
        guard let command = commands.first else { return replies.isEmpty ? self : nil }
        let rest = commands.dropFirst()
        var next = self
        if let silence = command.silence, next.accept(silence, to: command, in: world),
            let end = next.resolve(rest, replies, takesErrors: takesErrors, in: world)
        {
            return end
        }
        guard let reply = replies.first else { return nil }
        next = self
        if command.isRefused {
            guard case .line(MemcacheReply.undecodable) = reply else { return nil }
        } else if reply.error != nil {
            guard takesErrors else { return nil }
            next.noteFailure(of: command)
        } else {
            guard let sighting = command.sighting(in: reply),
                next.accept(sighting, to: command, in: world)
            else { return nil }
        }
        return next.resolve(rest, replies.dropFirst(), takesErrors: takesErrors, in: world)
    }

    private mutating func accept(
        _ sighting: MemcacheSighting, to command: MetaCommand, in world: World
    ) -> Bool {
        observe(command.action, sighting, at: command.key, madeAt: command.madeAt, in: world)
    }
}

// MARK: - Failures

extension MemcacheKeySpace {
    func error(
        in answer: [MemcacheReply], to asked: MemcacheQuestion?, in world: World
    ) -> String? {
        let errors = answer.compactMap(\.error)
        if errors != [Self.refusal], case .meta(let commands, isEnded: true) = asked {
            // All else that was answered must be right.
            guard resolve(commands[...], answer[...], takesErrors: true, in: world) != nil else {
                return nil
            }
        }
        return errors.first { !Self.errors.contains($0) } ?? errors.first
    }

    mutating func noteFailure(of asked: MemcacheQuestion) {
        switch asked {
        case .get(let reading) where reading.lifetime != nil:
            for key in Set(reading.keys) {
                noteFailure(of: reading.action, at: key, madeAt: reading.madeAt)
            }
        case .classic(let command):
            noteFailure(of: command.action, at: command.key, madeAt: command.madeAt)
        case .meta(let commands, _): for command in commands { noteFailure(of: command) }
        case .everywhere(_, _, isRemoval: true, _):
            for key in states.keys {
                noteFailure(of: .remove(version: nil), at: key, madeAt: 0)
            }
        default: break
        }
    }

    private mutating func noteFailure(of command: MetaCommand) {
        guard !command.isRefused else { return }
        noteFailure(of: command.action, at: command.key, madeAt: command.madeAt)
    }

    private mutating func noteFailure(
        of action: MemcacheAction, at key: [UInt8], madeAt second: Int
    ) {
        if case .read(lifetime: nil) = action { return }
        states[key]?.noteFailure(of: action, madeAt: second)
    }

    /// It was done in its turn, unless it was lost, or is done later, with what its server failed.
    mutating func noteUnanswered(
        _ asked: MemcacheQuestion, since turn: Int, in world: World
    ) {
        switch asked {
        case .classic(let command):
            states[command.key]?.noteUnanswered(
                command.action, madeAt: command.madeAt, since: turn)
        case .everywhere(_, _, isRemoval: true, _):
            for key in states.keys {
                states[key]!.noteUnanswered(.remove(version: nil), madeAt: 0, since: turn)
            }
        default: break
        }
    }
}
