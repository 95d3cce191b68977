import { type FormEvent, useState } from "react";
import { Banner } from "../components/Banner.tsx";
import { Button } from "../components/Button.tsx";
import { focusField } from "../components/focusField.ts";
import { Segmented } from "../components/Segmented.tsx";
import { Select } from "../components/Select.tsx";
import { Switch } from "../components/Switch.tsx";
import { TextArea } from "../components/TextArea.tsx";
import { TextField } from "../components/TextField.tsx";
import { useT } from "../i18n/useT.ts";
import { durations, type Faults, faultsOf, type MeetingValues } from "./meetingForm.ts";
import { useDuration } from "./useDuration.ts";
import { ZoneField } from "./ZoneField.tsx";

export type MeetingFormProps = {
	initial: MeetingValues;
	isNew: boolean;
	busy: boolean;
	/** What the server refused. */
	faults: Faults;
	problem: string | null;
	onSubmit: (v: MeetingValues) => void;
	onCancel: () => void;
};

/** What makes up a meeting. */
export function MeetingForm({ initial, isNew, busy, faults: refused, problem, onSubmit, onCancel }: MeetingFormProps) {
	const t = useT();
	const duration = useDuration();
	const [v, setV] = useState(initial);
	const [tried, setTried] = useState(false);
	const set =
		<K extends keyof MeetingValues>(key: K) =>
		(value: MeetingValues[K]) =>
			setV({ ...v, [key]: value });
	const faults: Faults = { ...refused, ...(tried ? faultsOf(v, isNew) : {}) };
	const fault = (key: keyof MeetingValues) => {
		const id = faults[key];
		return id && t(id);
	};
	const lengths = durations.includes(v.duration) ? durations : [...durations, v.duration].sort((a, b) => +a - +b);

	const submit = (e: FormEvent<HTMLFormElement>) => {
		e.preventDefault();
		setTried(true);
		const wrong = Object.keys(faultsOf(v, isNew))[0];
		if (!wrong) return onSubmit(v);
		focusField(e.currentTarget, wrong);
	};

	return (
		<form className="card grid gap-6 p-5 sm:p-8" noValidate onSubmit={submit}>
			{problem && <Banner tone="danger">{problem}</Banner>}
			<TextField
				error={fault("topic")}
				label={t("site.form.topic")}
				maxLength={200}
				name="topic"
				onChange={set("topic")}
				placeholder={isNew ? t("site.form.topicHint") : ""}
				value={v.topic}
			/>
			<fieldset className="grid gap-4">
				<legend className="mb-2 font-medium text-sm">{t("site.form.when")}</legend>
				<Segmented<MeetingValues["when"]>
					label={t("site.form.when")}
					onChange={set("when")}
					options={[
						{ value: "planned", label: t("site.form.planned"), icon: "calendar" },
						{ value: "anytime", label: t("site.form.anytime"), icon: "door" },
					]}
					value={v.when}
				/>
				{v.when === "anytime" && <p className="text-muted text-sm">{t("site.form.anytimeHint")}</p>}
				{v.when === "planned" && (
					<div className="grid gap-4 sm:grid-cols-2">
						<TextField
							error={fault("date")}
							label={t("site.form.date")}
							name="date"
							onChange={set("date")}
							type="date"
							value={v.date}
						/>
						<TextField
							error={fault("time")}
							label={t("site.form.time")}
							name="time"
							onChange={set("time")}
							type="time"
							value={v.time}
						/>
						<Select
							label={t("site.form.duration")}
							onChange={set("duration")}
							options={lengths.map(n => ({ value: n, label: duration(Number(n)) }))}
							value={v.duration}
						/>
						<ZoneField error={fault("zone")} onChange={set("zone")} value={v.zone} />
					</div>
				)}
			</fieldset>
			<TextField
				autoCapitalize="off"
				autoComplete="off"
				inputClassName="sm:max-w-64"
				error={fault("passcode")}
				hint={isNew ? t("site.form.passcodeHintNew") : t("site.form.passcodeHint")}
				label={t("site.form.passcode")}
				maxLength={10}
				name="passcode"
				onChange={set("passcode")}
				spellCheck={false}
				value={v.passcode}
				{...(isNew ? { note: t("ui.optional") } : {})}
			/>
			<fieldset>
				<legend className="mb-1 font-medium text-sm">{t("site.form.entry")}</legend>
				<div className="divide-y divide-line">
					<Switch
						checked={v.waitingRoom}
						hint={t("site.form.waitingRoomHint")}
						label={t("site.form.waitingRoom")}
						onChange={set("waitingRoom")}
					/>
					<Switch
						checked={v.joinBeforeHost}
						hint={t("site.form.joinBeforeHostHint")}
						label={t("site.form.joinBeforeHost")}
						onChange={set("joinBeforeHost")}
					/>
					<Switch
						checked={v.muteOnEntry}
						hint={t("site.form.muteOnEntryHint")}
						label={t("site.form.muteOnEntry")}
						onChange={set("muteOnEntry")}
					/>
				</div>
			</fieldset>
			<TextArea
				error={fault("agenda")}
				label={t("site.form.agenda")}
				maxLength={2000}
				name="agenda"
				note={t("ui.optional")}
				onChange={set("agenda")}
				value={v.agenda}
			/>
			<div className="flex flex-wrap-reverse justify-end gap-2 max-sm:*:grow">
				<Button onClick={onCancel} size="lg" tone="quiet">
					{t("ui.cancel")}
				</Button>
				<Button busy={busy} size="lg" tone="primary" type="submit">
					{isNew ? t("site.form.create") : t("site.form.save")}
				</Button>
			</div>
		</form>
	);
}
