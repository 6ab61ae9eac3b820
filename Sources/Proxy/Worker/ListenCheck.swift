import Config

// What a configuration file cannot know by itself: whether this machine can listen where its pools
// should, all at once. Asked before anything is opened, by the start and by the test of a file.

extension Configuration {
    /// The first pool that cannot listen where it should, and why; nil when all can. A port that
    /// some other program has is none of it.
    ///
    /// - Parameter stats: Where the statistics are; nil when that cannot be either.
    package func listenProblem(besides stats: ListenAddress?) -> ListenProblem? {
        let statsPlace = stats.flatMap { try? ListenPlace($0) }
        var places: [ListenPlace] = []
        for (index, pool) in pools.enumerated() {
            let place: ListenPlace
            do throws(ListenPlace.Problem) { place = try ListenPlace(pool.listen) } catch {
                return ListenProblem(index, pool, error)
            }
            if let other = places.firstIndex(where: place.overlaps) {
                return ListenProblem(
                    pool: index,
                    found: quoted(pool.listen.text) + ", where pool \(quoted(pools[other].name)) "
                        + "listens as \(quoted(pools[other].listen.text))",
                    expected: "every pool to listen on an address of its own")
            }
            if let stats, let statsPlace, place.overlaps(statsPlace) {
                return ListenProblem(
                    pool: index,
                    found: quoted(pool.listen.text)
                        + ", where the statistics are (\(quoted(stats.text)))",
                    expected: "an address of its own, or another one for -a and -s")
            }
            places.append(place)
        }
        return nil
    }
}

extension ListenAddress {
    /// Why nobody can listen here on this machine; nil if somebody can. A port that some other
    /// program has is none of it.
    package var problem: String? {
        do throws(ListenPlace.Problem) { _ = try ListenPlace(self) } catch { return error.text }
        return nil
    }

    package var text: String {
        switch self {
        case .tcp(let host, let port) where host.contains(":"): "[\(host)]:\(port)"
        case .tcp(let host, let port): "\(host):\(port)"
        case .unix(let path, _): path
        }
    }
}

extension ListenPlace {
    fileprivate init(_ address: ListenAddress) throws(Problem) {
        switch address {
        case .tcp(let host, let port): try self.init(host: host, port: port)
        case .unix(let path, _): try self.init(path: path)
        }
    }
}

extension ListenPlace.Problem {
    /// What follows an address and "which".
    fileprivate var text: String {
        switch self {
        case .unresolved(let reason): "does not resolve: \(reason)"
        case .notLocal(let reason): "is no address of this machine: \(reason)"
        case .noFolder(let reason): "is in no folder that there is: \(reason)"
        case .isFolder: "is a folder"
        }
    }

    fileprivate var expected: String {
        switch self {
        case .unresolved, .notLocal: "a name or an address of this machine"
        case .noFolder, .isFolder: "a path in a folder that exists"
        }
    }
}

extension ListenProblem {
    fileprivate init(_ index: Int, _ pool: PoolConfiguration, _ problem: ListenPlace.Problem) {
        self.init(
            pool: index, found: "\(quoted(pool.listen.text)), which \(problem.text)",
            expected: problem.expected)
    }
}
