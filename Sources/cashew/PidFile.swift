/// The file that holds the process id, decimal, without a line end: nutcracker's format.
///
/// The process holds a lock on it as long as it lives, so that a file left behind by a process
/// that was killed does not stop the next one, whoever has that id by then.
struct PidFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Throws `SystemError.inUse` when a process that runs holds the file.
    init(path: String) throws(SystemError) {
        self.path = path
        descriptor = try createLocked(path)
        replaceContents(of: descriptor, with: Array(String(processID()).utf8))
    }

    /// Removes the file while the lock is still held, so that it is never another's that goes.
    consuming func remove() {
        removeFile(path)
        closeDescriptor(descriptor)
    }
}
