import Machine

extension SystemFiles {
  /// What a process' first thread has started and not waited for; nothing where the kernel does not tell.
  static func children(of process: Int32) -> [Int32] {
    (text("/proc/\(process)/task/\(process)/children") ?? "").split(separator: " ").compactMap { Int32($0) }
  }

  /// The cores that threads of this process may use, as lists such as `0-3,8`, each different one once.
  static func coreLists() -> [String] {
    let lists = numbers(in: "/proc/self/task").compactMap { thread in
      text("/proc/self/task/\(thread)/status")?
        .split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last.map(
          String.init)
    }
    return Set(lists).sorted()
  }
}
