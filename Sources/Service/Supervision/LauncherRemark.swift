/// What launchers, and the programs they start other hosts' parts with, are known to say when a job ends, in our words.
///
/// The texts are those of Open MPI 4.1's help files, OpenSSH, Slurm's srun, shells and the dynamic linker.
enum LauncherRemark {
  /// The rank that a signal ended:
  /// `mpirun noticed that process rank 1 with PID 2 on node n3 exited on signal 9 (Killed).`
  static func killedRank(in lines: [String]) -> String? {
    for line in lines {
      guard let signal = rest(of: line, after: "exited on "), line.contains("process rank"),
        let rank = word(of: line, after: "process rank "), let node = word(of: line, after: " on node ")
      else { continue }
      return "rank \(rank) on host \(node) ended by \(signal.hasSuffix(".") ? String(signal.dropLast()) : signal)"
    }
    return nil
  }

  /// The cause of an end, the more telling first; nil where nothing known was said.
  static func cause(in lines: [String]) -> String? {
    for find in [unreachable, lostHost, refused, missingProgram, hostFile, slots, library, slurm] {
      if let found = find(lines) { return found }
    }
    return nil
  }

  /// `ssh: connect to host n1 port 22: No route to host`,
  /// `ssh: Could not resolve hostname n1: Name or service not known`.
  private static func unreachable(_ lines: [String]) -> String? {
    for line in lines {
      if let host = word(of: line, after: "ssh: connect to host "), let why = line.split(separator: ":").last {
        return "host \(host) cannot be reached: \(JobRemarks.trimmed(why))"
      }
      if let rest = rest(of: line, after: "ssh: Could not resolve hostname "),
        let host = rest.split(separator: ":").first
      {
        return "host \(host) cannot be reached: its name is not known"
      }
    }
    // Open MPI between hosts: `Local host: n1`, `Remote host: n2` under a paragraph of several kinds.
    guard lines.contains(where: { $0.contains("unable to complete a TCP connection") || $0.contains("connect() to") })
    else { return nil }
    if let to = value(of: "Remote host:", in: lines) {
      let from = value(of: "Local host:", in: lines).map { " from host \($0)" } ?? ""
      return "host \(to) cannot be reached\(from)"
    }
    return nil
  }

  /// `ORTE has lost communication with a remote daemon.` … `Remote daemon: [[10084,0],2] on node n2`
  private static func lostHost(_ lines: [String]) -> String? {
    guard lines.contains(where: { $0.contains("lost communication with a remote daemon") }) else { return nil }
    let host = lines.lazy.filter { $0.contains("Remote daemon:") }.compactMap { word(of: $0, after: " on node ") }.first
    return "the connection to host \(host ?? "another") was lost"
  }

  /// A host that does not let the launcher in, or has no Open MPI.
  private static func refused(_ lines: [String]) -> String? {
    for line in lines {
      for refusal in ["Permission denied (", "Host key verification failed", "Too many authentication failures"]
      where line.contains(refusal) {
        return "a host does not let mpirun in: \(JobRemarks.trimmed(line))"
      }
      for program in ["orted", "prted"]
      where line.contains("\(program): command not found") || line.contains("\(program): not found") {
        return "a host has no Open MPI where mpirun looks for it: \(JobRemarks.trimmed(line))"
      }
    }
    guard lines.contains(where: { $0.contains("unable to reliably start one or more daemons") }) else { return nil }
    return
      """
      mpirun could not start its daemon on another host: can `ssh HOST orted --version` be run there without a \
      question?
      """
  }

  /// `… could not access` / `or execute an executable:` … `Executable: /x` `Node: n2`
  private static func missingProgram(_ lines: [String]) -> String? {
    guard
      lines.contains(where: {
        $0.contains("unable to launch the specified application") || $0.contains("or execute an executable")
      })
    else { return nil }
    let program = value(of: "Executable:", in: lines) ?? "the program"
    let node = value(of: "Node:", in: lines).map { "host \($0)" } ?? "a host"
    return "\(program) cannot be started on \(node): it is not there, or nobody may execute it"
  }

  private static func hostFile(_ lines: [String]) -> String? {
    guard let at = lines.firstIndex(where: { $0.contains("unable to open the hostfile") }), at + 1 < lines.count else {
      return nil
    }
    return "mpirun cannot open the host file \(JobRemarks.trimmed(lines[at + 1]))"
  }

  /// `There are not enough slots available in the system to satisfy the 99`
  private static func slots(_ lines: [String]) -> String? {
    for line in lines {
      guard line.contains("not enough slots available"),
        let count = rest(of: line, after: "to satisfy the ").flatMap({ Int($0) })
      else {
        continue
      }
      return
        """
        mpirun has not enough slots for \(count) ranks: name more hosts or slots (--hostfile, --host HOST:SLOTS), \
        ask for fewer, or give --oversubscribe
        """
    }
    return nil
  }

  private static func library(_ lines: [String]) -> String? {
    lines.first { $0.contains("error while loading shared libraries") }.map { JobRemarks.trimmed($0) }
  }

  /// `srun: error: n3: task 1: Killed`, and other errors of srun's, but those that only tell of the end.
  private static func slurm(_ lines: [String]) -> String? {
    let errors = lines.compactMap { rest(of: $0, after: "srun: error: ") }
    for error in errors {
      let parts = error.split(separator: ":").map { JobRemarks.trimmed($0) }
      if parts.count == 3, parts[1].hasPrefix("task ") {
        return "rank \(parts[1].dropFirst("task ".count)) on host \(parts[0]) ended: \(parts[2])"
      }
    }
    return errors.first.map { "srun: \($0)" }
  }

  /// Whether a paragraph of Open MPI's tells only that a job ends since a process has ended.
  static func isNewsOfAnEnd(_ paragraph: String) -> Bool {
    // "Primary job  terminated normally, but 1 process returned a non-zero exit code. Per user-direction, …"
    ["returned a non-zero exit code", "exited with non-zero status"].contains { paragraph.contains($0) }
  }

  /// Which rank ended the job, where nothing tells why: `Process name: [[10227,1],1]` `Exit code:    3`, or a call of
  /// MPI_Abort.
  static func exitCode(in lines: [String]) -> String? {
    if let name = value(of: "Process name:", in: lines), let code = value(of: "Exit code:", in: lines),
      let rank = name.split(separator: ",").last?.prefix(while: \.isNumber), !rank.isEmpty
    {
      return "rank \(rank) ended with exit code \(code)"
    }
    for line in lines {
      if let rank = word(of: line, after: "MPI_ABORT was invoked on rank ") {
        return "rank \(rank) ended the job (MPI_Abort)"
      }
      if line.contains("exiting improperly") || line.contains("exiting without calling"),
        let rank = word(of: line, after: "process rank "), let node = word(of: line, after: " on node ")
      {
        return "rank \(rank) on host \(node) left without the others"
      }
    }
    return nil
  }

  // MARK: Pieces of lines

  private static func rest(of line: String, after text: String) -> String? {
    line.firstRange(of: text).map { JobRemarks.trimmed(line[$0.upperBound...]) }
  }

  private static func word(of line: String, after text: String) -> String? {
    guard let rest = rest(of: line, after: text) else { return nil }
    let word = rest.prefix { $0 != " " }
    return word.isEmpty ? nil : String(word)
  }

  /// What follows a label that begins a line.
  private static func value(of label: String, in lines: [String]) -> String? {
    for line in lines.map({ JobRemarks.trimmed($0) }) where line.hasPrefix(label) {
      return JobRemarks.trimmed(line.dropFirst(label.count))
    }
    return nil
  }
}
