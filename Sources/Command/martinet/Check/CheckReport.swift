import ClusterCheck
import JSON
import Reports

/// What `martinet check` prints.
struct CheckReport {
  let findings: [Finding]
  /// What the ranks told; nil where none ran.
  let facts: ClusterFacts?

  var hasProblem: Bool { findings.contains { $0.status == .problem } }

  func print(asJSON: Bool) {
    if asJSON { show(json.text(pretty: true)) } else { for line in lines { show(line) } }
  }

  var lines: [String] {
    let width = (findings.map(\.subject.count).max() ?? 0) + 2
    var lines: [String] = []
    for finding in findings {
      lines.append("\(finding.status.rawValue.padding(to: 9))\(finding.subject.padding(to: width))\(finding.words)")
      if let advice = finding.advice { lines.append("".padding(to: 9 + width) + "→ \(advice)") }
    }
    let (problems, warnings) = (findings.count { $0.status == .problem }, findings.count { $0.status == .warning })
    lines.append(
      problems + warnings == 0
        ? "all is well"
        : [
          problems > 0 ? Figures.count(problems, "problem") : nil,
          warnings > 0 ? Figures.count(warnings, "warning") : nil,
        ].compactMap { $0 }.joined(separator: ", "))
    return lines
  }

  var json: JSONValue {
    [
      "ok": .bool(!hasProblem), "problems": .int(findings.count { $0.status == .problem }),
      "warnings": .int(findings.count { $0.status == .warning }), "findings": .array(findings.map(\.json)),
      "run": facts?.json ?? .null,
    ]
  }
}
