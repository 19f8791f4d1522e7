"use strict";

// The page is made of openapi.json, so that it can't say anything else than the code.
const byId = (id) => document.getElementById(id);

const resolve = (api, schema) => {
  const name = schema?.$ref?.split("/").pop();
  return name ? api.components.schemas[name] : schema;
};

const typeOf = (api, schema) => {
  const whole = resolve(api, schema) ?? {};
  if (whole.oneOf ?? whole.anyOf) return (whole.oneOf ?? whole.anyOf).map((one) => typeOf(api, one)).join(" or ");
  if (whole.enum) return whole.enum.join(" or ");
  if (whole.type === "array") return `list of ${typeOf(api, whole.items)}`;
  return [whole.type ?? "anything"].flat().join(" or ");
};

const row = (table, cells) => {
  const line = table.querySelector("tbody").insertRow();
  for (const cell of cells) line.insertCell().textContent = cell;
};

const example = (api, kind, content) => {
  const lines = kind.includes("ndjson");
  const schema = lines ? api.components.schemas.NetworkEvent : resolve(api, content.schema);
  const event = schema.example ?? {};
  if (!lines) return JSON.stringify(event, null, 2);
  return [event, { ...event, dest_port: 31337, bytes_sent: 90000000 }].map((one) => JSON.stringify(one)).join("\n");
};

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// The key itself is not shown: what is on the screen ends up in tickets.
const asCurl = (method, path, kind, body) => {
  const parts = [`curl -X ${method} ${quote(location.origin + path)}`];
  if (body !== undefined) {
    parts.push(`-H 'X-API-Key: '"$AIOPS_API_KEY"`, `-H 'Content-Type: ${kind}'`, `--data-binary ${quote(body)}`);
  }
  return parts.join(" \\\n  ");
};

const show = async (section, method, path, kind, body) => {
  const headers = { Accept: "application/json" };
  if (kind) headers["Content-Type"] = kind;
  if (byId("key").value) headers["X-API-Key"] = byId("key").value;
  section.querySelector(".call").textContent = asCurl(method, path, kind, body);
  section.querySelector(".result").hidden = false;
  const [status, answer] = [section.querySelector(".status"), section.querySelector(".answer")];
  status.textContent = "…";
  answer.textContent = "";
  const began = performance.now();
  try {
    const response = await fetch(path, { method, headers, body, cache: "no-store", credentials: "omit" });
    const text = await response.text();
    status.textContent = `${response.status} in ${(performance.now() - began).toFixed(1)} ms`;
    const isOne = response.headers.get("Content-Type") === "application/json";
    answer.textContent = isOne ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch (error) {
    status.textContent = "none";
    answer.textContent = String(error);
  }
};

const fields = (api, section, content) => {
  const schema = resolve(api, content?.schema);
  const table = section.querySelector(".fields");
  if (!schema?.properties) return table.remove();
  for (const [name, field] of Object.entries(schema.properties)) {
    const needed = schema.required?.includes(name) ? "" : " (optional)";
    row(table, [name, typeOf(api, field) + needed, field.description ?? ""]);
  }
};

const operation = (api, path, method, what) => {
  const section = byId("operation").content.cloneNode(true).querySelector("section");
  const set = (name, text) => { section.querySelector(name).textContent = text ?? ""; };
  set(".method", method.toUpperCase());
  set(".path", path);
  set(".summary", what.summary);
  set(".description", what.description);
  const [kind, content] = Object.entries(what.requestBody?.content ?? {})[0] ?? [];
  fields(api, section, content);
  for (const [status, answer] of Object.entries(what.responses)) {
    row(section.querySelector(".responses"), [status, answer.description]);
  }
  const text = section.querySelector("textarea");
  if (kind) text.value = example(api, kind, content);
  else section.querySelector(".body-label").remove();
  section.querySelector(".try").addEventListener("submit", (event) => {
    event.preventDefault();
    show(section, method.toUpperCase(), path, kind, kind ? text.value : undefined);
  });
  return section;
};

const start = async () => {
  const place = byId("operations");
  try {
    const api = await (await fetch("/openapi.json", { cache: "no-store" })).json();
    byId("title").textContent = `${api.info.title} ${api.info.version}`;
    byId("description").textContent = api.info.description ?? "";
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, what] of Object.entries(methods)) place.append(operation(api, path, method, what));
    }
  } catch (error) {
    place.textContent = `openapi.json could not be read: ${error}`;
  }
  place.ariaBusy = "false";
};

byId("key-form").addEventListener("submit", (event) => event.preventDefault());
start();
