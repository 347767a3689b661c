/// What follows from the facts of hosts, each by itself and beside the others.
package struct HostJudgement {
  /// Facts under the name that the user gave the host, or its own.
  private let hosts: [(name: String, facts: HostFacts)]

  /// One entry for each process that told; several of one host are told apart only where they differ.
  package init(_ hosts: [(name: String, facts: HostFacts)]) { self.hosts = hosts }

  package init(_ facts: ClusterFacts) { hosts = facts.ranks.map { ($0.host.host, $0.host) } }

  package var findings: [Finding] {
    [program, options, model, openMPI, processors, sharedMemory, openFiles].compactMap { $0 } + libc
  }

  /// Hosts by equal value, the most common first; of equally common ones, the one met first.
  private func groups<Key: Hashable>(by key: (HostFacts) -> Key) -> [(key: Key, hosts: [String])] {
    var order: [Key] = []
    var names: [Key: [String]] = [:]
    for host in hosts {
      let value = key(host.facts)
      if names[value] == nil { order.append(value) }
      if names[value]?.contains(host.name) != true { names[value, default: []].append(host.name) }
    }
    let found = order.map { (key: $0, hosts: names[$0] ?? []) }
    return found.enumerated().sorted { ($1.element.hosts.count, $0.offset) < ($0.element.hosts.count, $1.offset) }.map(
      \.element)
  }

  private func everywhere(_ words: String) -> String {
    Set(hosts.map(\.name)).count > 1 ? "\(words) on all hosts" : words
  }

  /// All values with their hosts, the odd ones last.
  private func different<Key: Hashable>(_ groups: [(key: Key, hosts: [String])], _ words: (Key) -> String) -> String {
    groups.map { "\(words($0.key)) on \(Words.list($0.hosts))" }.joined(separator: "; ")
  }

  private func odd<Key: Hashable>(_ groups: [(key: Key, hosts: [String])]) -> [String] {
    groups.dropFirst().flatMap(\.hosts)
  }

  private var program: Finding {
    let groups = groups { [$0.version, $0.build] }
    func words(_ key: [String]) -> String { "\(key[0]) (build \(key[1]))" }
    guard groups.count > 1 else { return Finding("program", .ok, everywhere(words(groups.first?.key ?? ["", ""]))) }
    let path = hosts.first?.facts.program ?? "the program"
    return Finding(
      "program", .problem, hosts: odd(groups), different(groups, words),
      advice:
        """
        copy \(path) and the files beside it to \(Words.list(odd(groups))), or use one that all hosts see; ranks \
        must run one program
        """
    )
  }

  private var options: Finding? {
    let groups = groups(by: \.options)
    guard groups.count > 1 else { return nil }
    return Finding(
      "options", .problem, hosts: odd(groups), different(groups) { "\"\($0)\"" },
      advice: "give all ranks the same options: in what mpirun starts, in files and in the environment")
  }

  private var model: Finding {
    let failed = groups { $0.model.failure ?? "" }.filter { $0.key != "" }
    if let first = failed.first {
      return Finding(
        "model", .problem, hosts: failed.flatMap(\.hosts),
        failed.map { "\($0.key) (\(Words.list($0.hosts)))" }.joined(separator: "; "),
        advice:
          """
          copy the folder \(hosts.first?.facts.model.path ?? "") to \(Words.list(first.hosts)), or use one that \
          all hosts see
          """
      )
    }
    let groups = groups { [$0.model.fingerprint, $0.model.family, "\($0.model.byteCount)"] }
    func words(_ key: [String]) -> String { "\(key[1]), \(Words.size(Int(key[2]) ?? 0))" }
    let path = hosts.first?.facts.model.path ?? ""
    guard groups.count > 1 else {
      let compared = hosts.first?.facts.model.comparison.map { "; \($0)" } ?? ", the same configuration and headers"
      return Finding("model", .ok, everywhere("\(path): \(words(groups.first?.key ?? ["", "", ""]))\(compared)"))
    }
    let files = Set(groups.flatMap { $0.key[0].split(separator: " ") }).subtracting(
      groups.map { Set($0.key[0].split(separator: " ")) }.reduce(Set(groups[0].key[0].split(separator: " "))) {
        $0.intersection($1)
      })
    let names = Set(files.map { String($0.prefix { $0 != "=" }) }).sorted()
    return Finding(
      "model", .problem, hosts: odd(groups),
      "\(path) is not the same everywhere: " + different(groups, words) + "; other \(Words.list(names))",
      advice:
        "copy these files to \(Words.list(odd(groups))) again; martinet checksum tells whether all of a copy is right")
  }

  private var openMPI: Finding {
    let groups = groups(by: \.openMPI)
    guard groups.count > 1 else { return Finding("Open MPI", .ok, everywhere(groups.first?.key ?? "")) }
    return Finding(
      "Open MPI", .problem, hosts: odd(groups), different(groups) { $0 },
      advice: "install one version on all hosts: ranks of different ones fail, or hang, when they meet")
  }

  private var libc: [Finding] {
    let groups = groups(by: \.libc)
    guard groups.count > 1 else { return [] }
    return [
      Finding(
        "C library", .warning, hosts: odd(groups), different(groups) { $0 },
        advice:
          """
          use one distribution on all hosts: sines and logarithms come from this library, and with them a result's \
          last bits
          """
      )
    ]
  }

  private var processors: Finding {
    let groups = groups { [$0.cpu.isEmpty ? "an unnamed processor" : $0.cpu, $0.instructionSet] }
    func words(_ key: [String]) -> String { "\(key[0]) (\(key[1]))" }
    guard groups.count > 1 else { return Finding("processors", .ok, everywhere(words(groups.first?.key ?? ["", ""]))) }
    return Finding(
      "processors", .warning, hosts: odd(groups), different(groups, words),
      advice:
        "a step is as slow as its slowest rank: leave slower hosts out, or expect their speed; results do not differ")
  }

  /// Open MPI's own messages within a host need some; expert layers use what there is.
  private var sharedMemory: Finding {
    let (few, enough) = (16 << 20, 1 << 30)
    let groups = groups { facts in facts.sharedMemoryFree.map { $0 < few ? 2 : $0 < enough ? 1 : 0 } ?? 2 }
    let free = hosts.map { $0.facts.sharedMemoryFree ?? 0 }
    let words = "/dev/shm has \(Words.sizes(free)) free"
    guard let worst = groups.map(\.key).max(), worst > 0 else { return Finding("shared memory", .ok, words) }
    let short = groups.filter { $0.key > 0 }.flatMap(\.hosts)
    return Finding(
      "shared memory", worst == 2 ? .problem : .warning, hosts: short, "\(words); little on \(Words.list(short))",
      advice:
        """
        remove old files there, or give a container more (--shm-size 2g; an emptyDir of medium Memory): several \
        ranks on a host meet in it
        """
    )
  }

  private var openFiles: Finding {
    let limits = hosts.map(\.facts.openFileLimit)
    let least = limits.min() ?? 0
    let words = "limit of open files \(least == limits.max() ? "\(least)" : "\(least) to \(limits.max() ?? 0)")"
    guard least < 4096 else { return Finding("open files", .ok, words) }
    let short = groups { $0.openFileLimit < 4096 }.filter(\.key).flatMap(\.hosts)
    return Finding(
      "open files", least < 256 ? .problem : .warning, hosts: short, words,
      advice:
        """
        raise it (ulimit -Hn, LimitNOFILE= of systemd, /etc/security/limits.conf): a rank takes a file for each \
        other rank and one for each client
        """
    )
  }
}
