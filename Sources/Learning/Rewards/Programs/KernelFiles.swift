import Glibc

/// What the kernel tells of processes, under `/proc`.
enum KernelFiles {
  /// Empty where there is no such file, or it may not be read.
  static func bytes(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(file, &chunk, chunk.count)
      guard count > 0 else { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  /// A folder's entries that are numbers: processes, or a process' threads.
  static func numbers(in folder: String) -> [pid_t] {
    guard let folder = opendir(folder) else { return [] }
    defer { closedir(folder) }
    var found: [pid_t] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if let number = pid_t(name) { found.append(number) }
    }
    return found
  }

  /// What a process' first thread has started and not waited for; nothing where the kernel does not tell.
  static func children(of process: pid_t) -> [pid_t] {
    let text = String(decoding: bytes("/proc/\(process)/task/\(process)/children"), as: UTF8.self)
    return text.split(separator: " ").compactMap { pid_t($0) }
  }

  /// Processes of this host that were started with this variable in their environment, and have not ended.
  static func processes(with variable: String) -> [pid_t] {
    // Those that have ended have no environment any more.
    let wanted = Array("\(variable)\0".utf8)
    return numbers(in: "/proc").filter { bytes("/proc/\($0)/environ").firstRange(of: wanted) != nil }
  }

  /// The cores that threads of this process may use, as lists such as `0-3,8`, each different one once.
  static func coreLists() -> [String] {
    let lists = numbers(in: "/proc/self/task").compactMap { thread in
      String(decoding: bytes("/proc/self/task/\(thread)/status"), as: UTF8.self)
        .split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last.map(
          String.init)
    }
    return Set(lists).sorted()
  }
}
