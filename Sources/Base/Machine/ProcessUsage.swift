private import CHost
private import Glibc

/// What this process takes of the system now, as the kernel tells it; nil where it does not.
package struct ProcessUsage: Sendable, Equatable {
  package var residentBytes: Int?
  package var virtualBytes: Int?
  package var cpuSeconds: Double?
  package var openFiles: Int?
  package var fileLimit: Int?
  /// Seconds since 1970.
  package var startTime: Double?

  package init() { self.init(files: HostFiles(root: "")) }

  init(files: HostFiles) {
    let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    let pages = files.line("/proc/self/statm")?.split(separator: " ").map { Int($0) } ?? []
    if pages.count >= 2 {
      virtualBytes = pages[0].map { $0 * pageBytes }
      residentBytes = pages[1].map { $0 * pageBytes }
    }
    let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
    // The second field is the program's name, which may hold anything.
    let stat = files.line("/proc/self/stat").flatMap { line in line.lastIndex(of: ")").map { line[$0...].dropFirst() } }
    if let fields = stat?.split(separator: " ").map({ Double($0) }), fields.count > 19, ticks > 0 {
      if let user = fields[11], let system = fields[12] { cpuSeconds = (user + system) / ticks }
      if let started = fields[19], let boot = Self.bootTime(files) { startTime = boot + started / ticks }
    }
    openFiles = Self.count(files.root + "/proc/self/fd")
    fileLimit = files.text("/proc/self/limits")?.split(whereSeparator: \.isNewline)
      .first { $0.hasPrefix("Max open files") }?.split(separator: " ").dropFirst(3).first.flatMap { Int($0) }
  }

  private static func bootTime(_ files: HostFiles) -> Double? {
    files.text("/proc/stat")?.split(whereSeparator: \.isNewline).first { $0.hasPrefix("btime ") }
      .flatMap { Double($0.dropFirst(6)) }
  }

  private static func count(_ path: String) -> Int? {
    guard let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    // Without itself, its parent, and the descriptor that reads it.
    var count = -3
    while readdir(folder) != nil { count += 1 }
    return max(0, count)
  }
}

/// How many files this process may have open at once; connections are files.
package enum FileLimit {
  /// Some programs close all that there could be when they start others: with no more, that takes no time worth
  /// mention.
  static let most = 1 << 20

  /// Raises the limit as far as this process may, and returns it.
  @discardableResult package static func raise() throws(MachineError) -> Int {
    var limit: UInt64 = 0
    let error = host_raise_file_limit(UInt64(most), &limit)
    guard error == 0 else { throw .system("setrlimit", error) }
    return Int(clamping: limit)
  }
}
