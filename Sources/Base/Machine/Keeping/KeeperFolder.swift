internal import Glibc

/// Where a host's keeper of this user listens: a folder that is this user's alone.
package struct KeeperFolder: Sendable {
  package let path: String

  /// Names another folder, for those who have several keepers on a host.
  package static let variable = "MARTINET_KEEPER_FOLDER"

  package init(_ path: String? = nil) {
    let named = getenv(Self.variable).map { String(cString: $0) } ?? ""
    self.path = path ?? (named.isEmpty ? "/dev/shm/martinet-keeper-\(geteuid())" : named)
  }

  var socket: String { path + "/socket" }
  var lock: String { path + "/lock" }

  /// Makes it; throws where there is another user's, a link, or one that others may write to.
  func make() throws(MachineError) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .keeper(system("\(path) cannot be made")) }
    try check()
  }

  /// Throws where it is not there or not this user's alone.
  func check() throws(MachineError) {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw .keeper(system("\(path) cannot be looked at")) }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw .keeper("\(path) is not a folder of this user's alone; remove it, or name another with \(Self.variable)")
    }
  }

  private func system(_ what: String) -> String { "\(what): \(String(cString: strerror(errno)))" }
}
