/// Names of hosts, from a host file or from options of mpirun.
package enum HostList {
  /// Names in a host file of Open MPI, each once: a line's first word, without a user (`user@host`); `#` begins a
  /// comment.
  package static func names(inFile text: String) -> [String] {
    var names: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let word = words.first else { continue }
      add(word, to: &names)
    }
    return names
  }

  /// Names in what `--host` takes: `a,b:2`.
  package static func names(inList text: String) -> [String] {
    var names: [String] = []
    for word in text.split(separator: ",") { add(word, to: &names) }
    return names
  }

  private static func add(_ word: Substring, to names: inout [String]) {
    // `host:2` and `[fe80::1]:2` say how many slots there are.
    var name = word.split(separator: "@").last ?? word
    if name.hasPrefix("[") {
      name = name.dropFirst().prefix { $0 != "]" }
    } else if name.filter({ $0 == ":" }).count == 1 {
      name = name.prefix { $0 != ":" }
    }
    if !name.isEmpty, !names.contains(String(name)) { names.append(String(name)) }
  }
}
